//! Text to vectors: TF-IDF over titles, descriptions and attributes.
