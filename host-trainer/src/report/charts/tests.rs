use super::*;

fn history() -> Vec<EpochRecord> {
    let record = |epoch, loss| EpochRecord {
        epoch,
        loss,
        metric: (epoch > 1).then_some(0.4),
        validation_loss: loss + 0.1,
        validation_metric: 0.5,
        learning_rate: 1e-3,
        seconds: 1.0,
    };
    vec![record(1, 1.5), record(2, 1.2), record(3, f64::NAN)]
}

#[test]
fn a_page_gets_its_own_text_colour_and_a_file_a_white_ground() {
    let chart = learning(&history()[..2], "Accuracy", Losses::Alike).unwrap().remove(0);
    let inline = chart.inline("loss &amp; more");
    assert!(
        inline.starts_with("<svg role=\"img\" aria-label=\"loss &amp; more\" width"),
        "{inline}"
    );
    assert!(inline.contains("currentColor") && !inline.contains("#000000"));
    let file = chart.file();
    assert!(file.contains("fill=\"#FFFFFF\"") && file.contains("#000000") && file.trim_end().ends_with("</svg>"));
}

#[test]
fn training_metrics_are_drawn_beside_those_of_the_validation_where_they_are_known() {
    let drawn = |history: &[EpochRecord]| {
        let chart = learning(history, "Accuracy", Losses::Alike).unwrap().remove(1);
        ["#2578DC", "#E66E14"].map(|colour| chart.svg.contains(colour))
    };
    assert_eq!(drawn(&history()), [true, true]);
    assert_eq!(drawn(&history()[..1]), [false, true], "a run of an older version");
}

/// Values of an attribute of the elements that begin so, in their order.
fn attributes(svg: &str, element: &str, name: &str) -> Vec<String> {
    let elements = svg.split(element).skip(1);
    let value = |rest: &str| Some(rest.split('>').next()?.split_once(&format!(" {name}=\""))?.1.to_owned());
    let values = elements.filter_map(value);
    values
        .map(|value| value.split('"').next().unwrap().to_owned())
        .collect()
}

/// The texts of a chart with their places.
fn texts(svg: &str) -> Vec<(i32, i32, String)> {
    let number = |text: String| text.parse::<i32>().unwrap();
    let places = attributes(svg, "<text", "x").into_iter().map(number);
    let places = places.zip(attributes(svg, "<text", "y").into_iter().map(number));
    let inner = |rest: &str| {
        rest.split_once('>')
            .unwrap()
            .1
            .split("</text>")
            .next()
            .unwrap()
            .trim()
            .to_owned()
    };
    let texts = svg.split("<text").skip(1).map(inner);
    places.zip(texts).map(|((x, y), text)| (x, y, text)).collect()
}

#[test]
fn each_mark_on_an_axis_of_epochs_or_steps_is_a_whole_number() {
    for last in 2..=60 {
        let points = (1..=last).map(|at| (f64::from(at), 1.0 / f64::from(at))).collect();
        let epochs = side_by_side("loss", "Loss", vec![("1".to_owned(), points)]).unwrap();
        let points = vec![(0.0, 1.0), (f64::from(last), 2.0)];
        let steps = course(Curve {
            name: "loss",
            title: "Loss",
            points,
        });
        for (svg, first) in [(epochs.svg, 1), (steps.unwrap().svg, 0)] {
            // The numbers stand below the axis, all at one height, above what the axis shows.
            let texts = texts(&svg);
            let (_, axis, _) = texts.iter().find(|own| own.2 == "epoch" || own.2 == "step").unwrap();
            let below: Vec<&(i32, i32, String)> =
                texts.iter().filter(|own| own.1 < *axis && own.1 > *axis - 40).collect();
            let numbers: Vec<i32> = below.iter().map(|own| own.2.parse().unwrap()).collect();
            assert!(numbers.len() >= 2 && numbers.is_sorted(), "{last}: {numbers:?}");
            let upright = attributes(&svg, "<line", "x1")
                .into_iter()
                .zip(attributes(&svg, "<line", "x2"));
            let marks = upright.filter(|(from, to)| from == to).count();
            assert_eq!(numbers.len(), marks, "{last}: a mark without a number");
            let inside = |number: &i32| (first..=last).contains(number);
            assert!(numbers.iter().all(inside), "{last}: {numbers:?}");
        }
    }
}

#[test]
fn the_legend_lies_above_the_curves_and_inside_the_chart() {
    let runs = |count: u32, epochs: u32| {
        let points = |run| {
            (1..=epochs)
                .map(move |at| (f64::from(at), f64::from(run * at)))
                .collect()
        };
        (1..=count).map(|run| (format!("emotion-{run}"), points(run))).collect()
    };
    let mut charts = learning(&history(), "Accuracy", Losses::Alike).unwrap();
    for (count, epochs) in [(1, 2), (2, 9), (6, 60), (14, 5)] {
        charts.push(side_by_side("metric", "Accuracy", runs(count, epochs)).unwrap());
    }
    let bins = [Bin {
        index: 14,
        faces: 5,
        confidence: 1.0,
        accuracy: 1.0,
    }];
    charts.push(reliability(&bins, &bins).unwrap());
    let all = Coverage {
        threshold: 0.0,
        coverage: 1.0,
        accuracy: Some(1.0),
    };
    charts.push(coverage(&[all]).unwrap());
    for chart in charts {
        let texts = texts(&chart.svg);
        let title = texts[0].1;
        // Lines of two pixels are curves, or the short ones of the legend.
        let lines = chart
            .svg
            .split("<polyline")
            .filter(|rest| rest.contains("stroke-width=\"2\""));
        let lines: Vec<Vec<(i32, i32)>> = lines
            .map(|line| places(&attributes(&format!("<polyline{line}"), "<polyline", "points")[0]))
            .collect();
        let (legend, curves): (Vec<_>, Vec<_>) =
            lines.iter().partition(|line| line.iter().all(|place| place.1 < title));
        let named = texts.iter().filter(|text| text.1 < title).count();
        assert_eq!(legend.len(), named, "{}", chart.name);
        assert!(
            curves.iter().flat_map(|line| line.iter()).all(|place| place.1 > title),
            "{}",
            chart.name
        );
        let ends = legend.iter().flat_map(|line| line.iter()).map(|place| place.0);
        assert!(
            ends.max().is_none_or(|end| end < 500),
            "{}: the legend ends beyond the chart",
            chart.name
        );
    }
}

/// The corners of a line.
fn places(points: &str) -> Vec<(i32, i32)> {
    let pairs = points.split_whitespace().filter_map(|pair| pair.split_once(','));
    pairs.map(|(x, y)| (x.parse().unwrap(), y.parse().unwrap())).collect()
}

#[test]
fn losses_of_different_units_are_not_drawn_together() {
    let validation = |losses| {
        learning(&history(), "Accuracy", losses).unwrap()[0]
            .svg
            .contains("#E66E14")
    };
    assert!(validation(Losses::Alike) && !validation(Losses::OtherUnits));
}
