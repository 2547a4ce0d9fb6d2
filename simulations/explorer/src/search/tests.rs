//! A search visits the same worlds however many regions it keeps.

use super::search;
use crate::{bounds::Bounds, universe::Universe};

#[test]
fn dropped_regions_are_computed_again() {
    let bounds = Bounds {
        writes: 1,
        crashes: 1,
        ..Bounds::default()
    };
    let found = |sites_max: usize| {
        let mut universe = Universe::new(&bounds).unwrap();
        universe.sites_max = sites_max;
        let explored = search(universe).unwrap();
        assert!(explored.is_exhausted);
        (explored.worlds, explored.steps, explored.region_states, explored.depth)
    };
    assert_eq!(found(1), found(usize::MAX));
}
