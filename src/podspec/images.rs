//! Which images a pod may be made from.

use std::{fmt, net::IpAddr, str::FromStr};

use super::SpecError;

/// Patterns in which `*` stands for any text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AllowedImages(Vec<String>);

impl Default for AllowedImages {
    fn default() -> Self {
        Self(vec!["pinacledev/*".to_owned()])
    }
}

impl FromStr for AllowedImages {
    type Err = String;

    /// Parses patterns that are separated by commas.
    fn from_str(text: &str) -> Result<Self, String> {
        let patterns: Vec<String> =
            text.split(',').map(str::trim).filter(|pattern| !pattern.is_empty()).map(str::to_owned).collect();
        if patterns.is_empty() {
            return Err(
                "there is no pattern in it; write some like pinacledev/*,registry.example.com/team/*".to_owned()
            );
        }
        Ok(Self(patterns))
    }
}

impl fmt::Display for AllowedImages {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.join(","))
    }
}

impl AllowedImages {
    fn allow(&self, image: &str) -> bool {
        self.0.iter().any(|pattern| matches(pattern, image))
    }

    /// Checks that a container may be made from the image. Existing containers stay as they are.
    ///
    /// # Errors
    /// The image is not allowed, or its registry is given by an address.
    pub fn check(&self, image: &str) -> Result<(), SpecError> {
        let message = if registry_is_an_address(image) {
            format!("{image} names its registry by an address; use the registry's name")
        } else if !self.allow(image) {
            format!(
                "the image {image} is not allowed here; use one that matches ALLOWED_IMAGES ({self}), or have it \
                 allowed"
            )
        } else {
            return Ok(());
        };
        Err(SpecError::new("baseImage", message))
    }
}

fn matches(pattern: &str, text: &str) -> bool {
    match pattern.split_once('*') {
        None => pattern == text,
        Some((before, after)) => text.strip_prefix(before).is_some_and(|rest| {
            rest.char_indices().map(|(at, _)| at).chain([rest.len()]).any(|at| matches(after, &rest[at..]))
        }),
    }
}

/// Whether an image's registry is given by an IP address or is the host itself: Docker on the host would connect to
/// whatever listens there.
fn registry_is_an_address(image: &str) -> bool {
    let Some((registry, _)) = image.split_once('/') else { return false };
    let is_name = registry.contains(['.', ':']) || registry.eq_ignore_ascii_case("localhost");
    let host = registry.rsplit_once(':').map_or(registry, |(host, _)| host).trim_end_matches('.').to_ascii_lowercase();
    let last = host.rsplit('.').next().unwrap_or_default();
    let is_number = |label: &str| label.starts_with("0x") || label.bytes().all(|byte| byte.is_ascii_digit());
    is_name && (host.parse::<IpAddr>().is_ok() || is_number(last) || last == "localhost")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_say_which_images_are_allowed() {
        let allowed: AllowedImages = " pinacledev/*, *.example.com/team/*:stable ,debian:12".parse().unwrap();
        for image in
            ["pinacledev/pinacle-base", "pinacledev/a:1@sha256:00", "r.example.com/team/a/b:stable", "debian:12"]
        {
            assert!(allowed.allow(image), "{image}");
        }
        for image in ["debian", "debian:12x", "x/pinacledev/a", "pinacledev", "r.example.com/team/a:edge", ""] {
            assert!(!allowed.allow(image), "{image}");
        }
        assert!("*".parse::<AllowedImages>().unwrap().allow("whatever/it:is"));
        assert!(" , ".parse::<AllowedImages>().is_err());
    }

    #[test]
    fn a_registry_has_a_name() {
        for image in [
            "127.0.0.1:5000/a",
            "localhost/a",
            "LOCALHOST:5000/a",
            "a.localhost/b",
            "10.0.0.1/a/b",
            "127.1:80/a",
            "0x7f.1/a",
            "2130706433:5000/a",
            "127.0.0.1./a",
        ] {
            assert!(registry_is_an_address(image), "{image}");
        }
        for image in ["debian:12", "a/b", "42/b", "registry:5000/a", "registry.example.com/a", "10.example.com:1/a"] {
            assert!(!registry_is_an_address(image), "{image}");
        }
    }
}
