//! Lists in files that hold one value without a list around it: most have one, and older versions wrote no list.

use serde::{Deserialize, Deserializer, Serialize, Serializer};

#[derive(Deserialize)]
#[serde(untagged)]
enum Read<T> {
    One(T),
    More(Vec<T>),
}

/// For `#[serde(with)]`: writes a list of one value as that value.
pub(crate) fn serialize<T: Serialize, S: Serializer>(values: &Vec<T>, to: S) -> Result<S::Ok, S::Error> {
    match values.as_slice() {
        [one] => one.serialize(to),
        more => more.serialize(to),
    }
}

/// Reads one value, a list, or nothing.
pub(crate) fn deserialize<'de, T: Deserialize<'de>, D: Deserializer<'de>>(from: D) -> Result<Vec<T>, D::Error> {
    Ok(match Option::<Read<T>>::deserialize(from)? {
        None => Vec::new(),
        Some(Read::One(one)) => vec![one],
        Some(Read::More(more)) => more,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct Held {
        #[serde(default, skip_serializing_if = "Vec::is_empty", with = "super")]
        from: Vec<String>,
    }

    #[test]
    fn one_value_stands_alone_and_more_stand_in_a_list() {
        let cases = [
            (vec![], ""),
            (vec!["a"], "from = \"a\"\n"),
            (vec!["a", "b"], "from = [\"a\", \"b\"]\n"),
        ];
        for (from, text) in cases {
            let held = Held {
                from: from.into_iter().map(str::to_owned).collect(),
            };
            assert_eq!(toml::to_string(&held).unwrap(), text);
            assert_eq!(toml::from_str::<Held>(text).unwrap(), held);
        }
        let nothing: Held = serde_json::from_str(r#"{ "from": null }"#).unwrap();
        assert!(nothing.from.is_empty());
    }
}
