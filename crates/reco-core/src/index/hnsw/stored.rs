//! The graph and its vectors in a file.

use super::super::codes::Codes;
use super::super::file::{Filed, Incoming, Outgoing, Problem};
use super::super::scratch::Pool;
use super::super::vectors::Vectors;
use super::graph::{Graph, Layer, MOST_LAYERS};
use super::{HnswIndex, HnswParams};

impl Filed for HnswIndex {
    const KIND: u32 = 2;

    fn write<'a>(&'a self, parts: &mut Outgoing<'a>) {
        let HnswParams { links, build_width, search_width } = self.params;
        let points = self.graph.layers.iter().map(Layer::len);
        let numbers = [links, build_width, search_width].into_iter().chain(points);
        parts.add_copy("numbers", &numbers.map(|number| number as u64).collect::<Vec<_>>());
        self.vectors.write(parts);
        self.codes.write(parts);
        parts.add("items", &self.items);
        let (bottom, upper) = self.graph.layers.split_at(1);
        bottom.iter().for_each(|layer| parts.add("links", layer.all_places()));
        parts.add_copy("upper", &upper.iter().map(Layer::all_places).collect::<Vec<_>>().concat());
    }

    fn read(parts: &Incoming) -> Result<Self, Problem> {
        let (vectors, codes) = (Vectors::read(parts)?, Codes::read(parts)?);
        let numbers = parts.array::<u64>("numbers")?;
        let (params, points) = params(&numbers, vectors.len()).ok_or_else(|| Problem::section("numbers"))?;
        let graph = graph(parts, params.links, &points)?;
        let items = parts.permutation("items")?;
        Ok(Self { vectors, codes, graph, items, params, idle: Pool::default() })
    }
}

/// The parameters and the number of points per layer: all, and fewer in every further layer.
fn params(numbers: &[u64], n_vectors: usize) -> Option<(HnswParams, Vec<usize>)> {
    let (&[links, build_width, search_width], points) = numbers.split_first_chunk()?;
    let number = |number: u64| usize::try_from(number).ok();
    let (links, build_width) = (number(links)?, number(build_width)?);
    let params = HnswParams { links, build_width, search_width: number(search_width)? };
    let points: Vec<usize> = points.iter().map(|&points| number(points)).collect::<Option<_>>()?;
    let fits = points.first() == Some(&n_vectors)
        && points.is_sorted_by(|below, above| below >= above)
        && points[1..].iter().all(|&points| points > 0)
        && points.len() <= MOST_LAYERS + 1;
    (fits && params.check().is_ok()).then_some((params, points))
}

fn graph(parts: &Incoming, links: usize, points: &[usize]) -> Result<Graph, Problem> {
    let bottom = Layer::stored(parts.array("links")?, points[0], 2 * links);
    let mut layers = vec![bottom.ok_or_else(|| Problem::section("links"))?];
    let (upper, mut start) = (parts.array::<u32>("upper")?, 0);
    for &n_points in &points[1..] {
        let end = start + n_points * links;
        let places = upper.get(start..end).map(|places| places.to_vec().into());
        let layer = places.and_then(|places| Layer::stored(places, n_points, links));
        layers.push(layer.ok_or_else(|| Problem::section("upper"))?);
        start = end;
    }
    if start != upper.len() {
        return Err(Problem::section("upper"));
    }
    Ok(Graph { layers })
}
