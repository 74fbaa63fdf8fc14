//! The JSON schema of a configuration, for editors and for those who write one by a program.
//!
//! It says less than [`Config::parse`], which has the last word: rules between several values are not in it.

use schemars::generate::SchemaSettings;
use serde_json::Value;

use super::Config;

/// Describes a configuration as JSON; TOML has the same values.
pub fn json_schema() -> Value {
    let generator = SchemaSettings::draft2020_12().into_generator();
    let mut schema = generator.into_root_schema_for::<Config>();
    schema.insert("title".to_owned(), "Configuration of edge-runtime".into());
    schema.to_value()
}
