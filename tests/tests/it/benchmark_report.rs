//! The reports of the benchmarks: sections of a file, and plots.

use tenant_tests::benchmark::{
    chart::Chart,
    report::{SECTIONS, with_section},
};

#[test]
fn a_section_is_replaced_and_keeps_the_others() {
    let file =
        SECTIONS.iter().fold("# Head\n".to_owned(), |file, name| with_section(&file, name, &format!("{name} 1")));
    let again = with_section(&file, "peers", "new\n\n");
    let expected = file.replace("peers 1", "new");
    assert_eq!(again, expected);
    assert_eq!(with_section(&again, "peers", "new"), again);
}

#[test]
fn the_order_of_the_sections_does_not_depend_on_the_order_of_the_benchmarks() {
    let write = |names: &[&str]| {
        names.iter().fold("# Head\n".to_owned(), |file, name| with_section(&file, name, &format!("about {name}")))
    };
    let reversed: Vec<&str> = SECTIONS.into_iter().rev().collect();
    assert_eq!(write(&reversed), write(&SECTIONS));
    assert!(write(&SECTIONS).starts_with("# Head\n\n<!-- requests -->\n\nabout requests\n\n<!-- /requests -->\n"));
}

#[test]
fn every_benchmark_of_the_manifest_has_a_section() {
    let manifest = include_str!("../../Cargo.toml");
    let mut benches: Vec<&str> =
        manifest.split("[[bench]]\nname = \"").skip(1).map(|rest| rest.split('"').next().expect("a name")).collect();
    let mut sections = SECTIONS.to_vec();
    benches.sort_unstable();
    sections.sort_unstable();
    assert_eq!(benches, sections);
}

#[test]
fn bars_of_tenant_runtime_have_their_own_color_in_every_plot() {
    let plot = |names: &[&str]| {
        let groups = vec![("group".to_owned(), vec![Some(1.0); names.len()])];
        let series = names.iter().map(|name| (*name).to_owned()).collect();
        Chart { title: "plot".to_owned(), series, groups, decimals: 0 }.svg()
    };
    let color = |svg: &str, n: usize| {
        let fill = svg.split(" fill=\"").nth(1 + n).expect("a color");
        fill.split('"').next().expect("a color").to_owned()
    };
    let (first, second) = (plot(&["sqlx", "tenant-runtime"]), plot(&["sqlx", "other", "tenant-runtime, scope"]));
    assert_eq!(color(&first, 1), color(&second, 2));
    assert_eq!(color(&first, 0), color(&second, 0));
    let colors: std::collections::BTreeSet<String> = (0..3).map(|n| color(&second, n)).collect();
    assert_eq!(colors.len(), 3);
}

#[test]
fn bars_are_as_long_as_their_values_and_gaps_have_none() {
    let chart = Chart {
        title: "a < b & c".to_owned(),
        series: vec!["one".to_owned(), "two".to_owned()],
        groups: vec![
            ("first".to_owned(), vec![Some(50.0), Some(100.0)]),
            ("second".to_owned(), vec![None, Some(25.0)]),
        ],
        decimals: 1,
    };
    let svg = chart.svg();
    let bars: Vec<f64> = svg
        .lines()
        .filter(|line| line.contains("rx=\"2\"") && !line.contains("width=\"12\""))
        .map(|line| line.split(" width=\"").nth(1).and_then(|rest| rest.split('"').next()).expect("a width"))
        .map(|width| width.parse().expect("a number"))
        .collect();
    assert_eq!(bars, [260.0, 520.0, 130.0]);
    assert!(svg.contains(">a &lt; b &amp; c</text>") && svg.contains(">25.0</text>"), "{svg}");
    let open = svg.matches("<text").count();
    assert_eq!(open, svg.matches("</text>").count());
    // Title, legend, groups and values.
    assert_eq!(open, 1 + 2 + 2 + 3);
}
