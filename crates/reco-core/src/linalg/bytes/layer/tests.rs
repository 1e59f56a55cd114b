use super::*;
use crate::linalg::bytes::LONGEST_ROW;
use proptest::prelude::*;

/// Every instruction set against sums in 64 bits.
fn check(n_inputs: usize, outputs: &[Vec<i8>], rows: &[Vec<u8>], groups: Range<usize>) {
    let layer = ByteLayer::new(n_inputs, outputs);
    let codes: Vec<[u8; GROUP]> = rows
        .iter()
        .flat_map(|row| {
            let mut padded = row.clone();
            padded.resize(layer.n_groups() * GROUP, 77);
            padded.as_chunks().0.to_vec()
        })
        .collect();
    let start: Vec<[i32; TILE]> =
        (0..layer.n_tiles()).map(|tile| std::array::from_fn(|i| (tile * TILE + i) as i32 - 9)).collect();
    let inputs = (groups.start * GROUP).min(n_inputs)..(groups.end * GROUP).min(n_inputs);
    let of_row = |row: &Vec<u8>| {
        let of_output = |place: usize| {
            let weights = outputs.get(place).map_or(&[][..], |weights| &weights[inputs.clone()]);
            let terms = row[inputs.clone()].iter().zip(weights);
            let sum: i64 = terms.map(|(&code, &weight)| i64::from(code) * i64::from(weight)).sum();
            i32::try_from(sum).unwrap() + place as i32 - 9
        };
        (0..layer.n_tiles() * TILE).map(of_output).collect::<Vec<i32>>()
    };
    let expected: Vec<i32> = rows.iter().flat_map(of_row).collect();
    for isa in Isa::all() {
        let mut sums = vec![[-1; TILE]; rows.len() * layer.n_tiles()];
        layer.apply_with(isa, groups.clone(), &codes, &start, &mut sums);
        assert_eq!(sums.as_flattened(), expected, "{isa:?}");
    }
}

proptest! {
    #[test]
    fn every_instruction_set_gives_the_same_sums(
        (n_inputs, outputs, rows, groups) in (1usize..30, 0usize..100, 0usize..30)
            .prop_flat_map(|(n_inputs, n_outputs, n_rows)| (
                Just(n_inputs),
                prop::collection::vec(prop::collection::vec(any::<i8>(), n_inputs), n_outputs),
                prop::collection::vec(prop::collection::vec(any::<u8>(), n_inputs), n_rows),
                (0..=n_inputs.div_ceil(GROUP)).prop_flat_map(|end| (0..=end, Just(end))),
            )),
    ) {
        check(n_inputs, &outputs, &rows, groups.0..groups.1);
    }
}

#[test]
fn the_largest_values_do_not_saturate() {
    let n_inputs = if cfg!(miri) { 64 } else { LONGEST_ROW };
    for weight in [127, -127] {
        check(n_inputs, &vec![vec![weight; n_inputs]; 3], &[vec![255; n_inputs]], 0..n_inputs / GROUP);
    }
}

#[test]
#[should_panic(expected = "as many rows in as out")]
fn shapes_that_do_not_fit_are_refused() {
    let layer = ByteLayer::new(4, &[vec![1; 4]]);
    layer.apply(0..1, &[[0; GROUP]; 2], &[[0; TILE]], &mut [[0; TILE]]);
}
