//! What an emotion network tells, as tables in Markdown that a terminal shows as well.

use std::fmt::Write;

use crate::evaluate::{AnswerFigures, Figure, Guess, NEUTRAL};
use crate::panel::Panel;
use crate::portraits::PortraitFigures;

/// Tables of panels: one line each, then one for each class.
pub fn panels(panels: &[Panel]) -> String {
    let named: Vec<(String, &AnswerFigures)> = panels
        .iter()
        .map(|panel| (format!("{}, {}", panel.set, panel.name), &panel.figures))
        .collect();
    all(&named)
}

/// Tables of portraits, with those by group.
pub fn portraits(found: &PortraitFigures) -> String {
    let mut text = all(&[("portraits".to_owned(), &found.figures)]);
    // Writing to a string cannot fail.
    let _ = writeln!(text, "\nNo face was found in {} pictures.", found.missed);
    if found.groups.is_empty() {
        return text;
    }
    let _ = writeln!(
        text,
        "\n| by | portraits | share that is | group: share (people) | largest gap |\n|---|---|---|---|---|"
    );
    for group in &found.groups {
        let shares = group.shares.iter();
        let shares = shares.map(|(name, people, share)| format!("{name}: {} ({people})", figure(*share)));
        let _ = writeln!(
            text,
            "| {} | {} | {} | {} | {} |",
            group.attribute,
            group.class,
            group.figure,
            shares.collect::<Vec<_>>().join("; "),
            figure(group.largest_gap)
        );
    }
    text
}

fn all(named: &[(String, &AnswerFigures)]) -> String {
    let mut text = String::from(
        "\n| faces | number | accuracy | macro F1 | told a class | right of those | of no class | of those told one | \
         told an emotion |\n|---|---|---|---|---|---|---|---|---|\n",
    );
    for (name, found) in named {
        let _ = writeln!(
            text,
            "| {name} | {} | {} | {} | {} | {} | {} | {} | {} |",
            found.faces,
            figure(found.accuracy),
            figure(found.macro_f1),
            figure(found.told),
            figure(found.told_right),
            found.other_faces,
            figure(found.other_told),
            figure(found.other_told_emotion)
        );
        if let Some(guess) = &found.majority {
            let _ = writeln!(text, "{}", guessing(name, found, guess));
        }
    }
    text += "\n| faces | class | number | recall | F1 | told it | told another |\n|---|---|---|---|---|---|---|\n";
    for (name, class) in named
        .iter()
        .flat_map(|(name, found)| found.classes.iter().map(move |class| (name, class)))
    {
        let _ = writeln!(
            text,
            "| {name} | {} | {} | {} | {} | {} | {} |",
            class.label,
            class.faces,
            figure(class.recall),
            figure(class.f1),
            figure(class.told),
            figure(class.told_another)
        );
    }
    text
}

/// The line of whoever tells every face the most frequent class, below that of the network.
fn guessing(name: &str, found: &AnswerFigures, guess: &Guess) -> String {
    let Guess {
        label,
        accuracy,
        macro_f1,
    } = guess;
    let right = accuracy * found.faces as f64 / (found.faces + found.other_faces) as f64;
    let others = |share: f64| {
        if found.other_faces > 0 {
            format!("{share:.3}")
        } else {
            "-".to_owned()
        }
    };
    let emotion = if label.eq_ignore_ascii_case(NEUTRAL) { 0.0 } else { 1.0 };
    format!(
        "| {name}: always {label} | {} | {accuracy:.3} | {macro_f1:.3} | 1.000 | {right:.3} | {} | {} | {} |",
        found.faces,
        found.other_faces,
        others(1.0),
        others(emotion)
    )
}

fn figure(figure: Option<Figure>) -> String {
    figure.map_or("-".to_owned(), |figure| {
        format!("{:.3} ({:.3}-{:.3})", figure.value, figure.low, figure.high)
    })
}

#[cfg(test)]
mod tests {
    use shared_model::emotion::ClassSet;

    use super::*;
    use crate::evaluate::Answer;

    #[test]
    fn every_line_has_the_cells_of_its_heading() {
        let answer = |truth, top| Answer {
            truth,
            top,
            score: 0.9,
            person: u32::from(top),
        };
        let answers = [answer(Some(0), 0), answer(Some(1), 1), answer(None, 1)];
        let figures = AnswerFigures::measure(&ClassSet::product(), &answers, 0.5);
        let panel = Panel {
            set: "fer2013".to_owned(),
            name: "majority",
            figures,
        };
        let text = panels(&[panel]);
        for table in text.trim().split("\n\n") {
            let cells: Vec<usize> = table.lines().map(|line| line.matches('|').count()).collect();
            assert!(
                cells.len() > 2 && cells.iter().all(|count| *count == cells[0]),
                "{table}"
            );
        }
        assert!(text.contains("| fer2013, majority | 2 | 1.000 ("), "{text}");
    }

    #[test]
    fn whoever_guesses_has_a_line_below_each_kind_of_face() {
        let answer = |truth, person| Answer {
            truth,
            top: 0,
            score: 0.2,
            person,
        };
        let classes = ClassSet::new(&["Happy", "Sad", NEUTRAL]).unwrap();
        let told = |answers: &[Answer]| {
            let portraits = PortraitFigures {
                missed: 0,
                figures: AnswerFigures::measure(&classes, answers, 0.5),
                groups: Vec::new(),
            };
            super::portraits(&portraits)
        };
        let [known, other] = [Some(1), None].map(|truth| answer(truth, 1));
        // Two of four faces of a class, and of five that are told it: 2 * 2 / (4 + 2) is its F1, and 0 that of the two others.
        let text = told(&[known, answer(Some(0), 2), answer(Some(1), 3), answer(Some(2), 4), other]);
        let line = "| portraits: always Sad | 4 | 0.500 | 0.222 | 1.000 | 0.400 | 1 | 1.000 | 1.000 |";
        assert!(text.contains(line), "{text}");
        let text = told(&[answer(Some(2), 0), other]);
        let line = "| portraits: always Neutral | 1 | 1.000 | 1.000 | 1.000 | 0.500 | 1 | 1.000 | 0.000 |";
        assert!(text.contains(line), "{text}");
        assert!(!told(&[other]).contains("always"), "no face is of a class");
    }
}
