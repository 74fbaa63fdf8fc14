//! Defaults, recipes, ranges.

use super::*;

#[test]
fn defaults_are_the_originals() {
    for task in [Task::Keypoints, Task::Emotion] {
        let config = TrainConfig::original(task);
        config.check().unwrap();
        assert_eq!((config.batch, config.epochs, config.stop.patience), (64, 100, 12));
        assert_eq!(
            config.schedule,
            Schedule::Plateau {
                factor: 0.65,
                patience: 5,
                minimum: 1e-8
            }
        );
        assert!((config.optimiser.learning_rate - 8e-4).abs() < 1e-12);
    }
}

#[test]
fn survives_toml_and_json_unchanged() {
    let config = TrainConfig::original(Task::Keypoints).with_original_protocol();
    let text = toml::to_string(&config).unwrap();
    assert_eq!(toml::from_str::<TrainConfig>(&text).unwrap(), config);
    let text = serde_json::to_string(&config).unwrap();
    assert_eq!(serde_json::from_str::<TrainConfig>(&text).unwrap(), config);
}

#[test]
fn recipe_changes_what_it_names_and_no_more() {
    let base = TrainConfig::original(Task::Emotion);
    let config = base
        .overlaid("epochs = 3\n[optimiser]\nclip = 1.0\n[schedule]\nkind = \"one_cycle\"\nwarmup = 0.15\n")
        .unwrap();
    assert_eq!(config.schedule, Schedule::OneCycle { warmup: 0.15 });
    let expected = TrainConfig {
        epochs: 3,
        optimiser: Optimiser {
            clip: 1.0,
            ..base.optimiser
        },
        schedule: config.schedule,
        ..base
    };
    assert_eq!(config, expected);
}

#[test]
fn recipe_with_an_unknown_key_is_refused_by_name() {
    let error = TrainConfig::original(Task::Emotion).overlaid("epoch = 3").unwrap_err();
    assert!(error.contains("epoch"), "{error}");
}

#[test]
fn shipped_recipes_are_valid() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("recipes");
    let mut seen = 0;
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let text = std::fs::read_to_string(&path).unwrap();
        let task = if text.contains("task = \"emotion\"") {
            Task::Emotion
        } else {
            Task::Keypoints
        };
        TrainConfig::original(task).with_recipe(&path).unwrap().check().unwrap();
        seen += 1;
    }
    assert!(seen >= 2, "no recipes found");
}
