//! The part of an address that says which machine is meant: `host`, `host:port`, `[v6]` or `[v6]:port`.

use std::net::Ipv6Addr;

/// Host, without brackets, and port, where one is named; `None` for anything else, user and password included.
pub fn host_and_port(authority: &str) -> Option<(&str, Option<u16>)> {
    let (host, rest) = match authority.strip_prefix('[') {
        Some(rest) => {
            let (host, rest) = rest.split_once(']')?;
            // The network's device may stand behind a percent sign.
            let address = host.split_once('%').map_or(host, |(address, _)| address);
            address.parse::<Ipv6Addr>().ok()?;
            (host, rest)
        }
        None => authority.split_at(authority.find(':').unwrap_or(authority.len())),
    };
    let port = match rest.strip_prefix(':') {
        Some(digits) if digits.bytes().all(|digit| digit.is_ascii_digit()) => {
            Some(digits.parse().ok().filter(|port| *port != 0)?)
        }
        None if rest.is_empty() => None,
        _ => return None,
    };
    let plain = |c: char| c.is_ascii_graphic() && !"[]@/?#\\".contains(c);
    (!host.is_empty() && host.chars().all(plain)).then_some((host, port))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_is_read_to_its_end() {
        for (good, host, port) in [
            ("camera.local", "camera.local", None),
            ("10.0.0.9:8554", "10.0.0.9", Some(8554)),
            ("[::1]", "::1", None),
            ("[fe80::1%eth0]:80", "fe80::1%eth0", Some(80)),
        ] {
            assert_eq!(host_and_port(good), Some((host, port)));
        }
        for bad in [
            "", ":80", "[]", "[::1", "[::1:80", "::1", "::1]", "[::1]x", "[::1]:", "[camera]", "[[::1]]", "a:", "a:0",
            "a:65536", "a:+80", "a:80:80", "a b", "u@a", "u:p@a", "a]", "a/b", "a\\b", "a\n",
        ] {
            assert_eq!(host_and_port(bad), None, "{bad:?}");
        }
    }
}
