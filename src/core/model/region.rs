//! The Regions that names hold: of services, of prefix lists, of zones.

use std::collections::BTreeMap;

/// The Regions that `names` hold, each with the first name it was found in: `com.amazonaws.us-east-1.dynamodb`.
///
/// Partitions differ in what comes first (`cn.com.amazonaws`), services in what comes last, and some names have no
/// Region at all (`com.amazonaws.global.cloudfront.origin-facing`).
pub fn regions<'a>(names: impl Iterator<Item = &'a str>) -> BTreeMap<&'a str, &'a str> {
    let mut found = BTreeMap::new();
    for name in names {
        let after = name.split_once("amazonaws.").map(|(_, rest)| rest.strip_prefix("vpce.").unwrap_or(rest));
        if let Some(region) = after.and_then(|rest| rest.split('.').next()).filter(|part| looks_like_a_region(part)) {
            found.entry(region).or_insert(name);
        }
    }
    found
}

/// The Region of an Availability Zone, a Local Zone or a Wavelength Zone: `us-west-2` of `us-west-2a` and of
/// `us-west-2-lax-1a`.
pub fn region_of_zone(zone: &str) -> Option<&str> {
    let digit = zone.find(|c: char| c.is_ascii_digit())?;
    let length = zone[digit..].find(|c: char| !c.is_ascii_digit())?;
    Some(&zone[..digit + length]).filter(|region| looks_like_a_region(region))
}

/// The Region of an ARN: `arn:aws:ec2:us-east-1:111122223333:subnet/subnet-0a`. A name that is no ARN has none.
pub fn region_of_arn(arn: &str) -> Option<&str> {
    arn.split(':').nth(3).filter(|region| !region.is_empty())
}

/// The account of an ARN; `aws` for what AWS owns.
pub fn account_of_arn(arn: &str) -> Option<&str> {
    arn.split(':').nth(4).filter(|account| !account.is_empty())
}

/// What the names of Regions begin with, and the partition that those are of.
const AREAS: [(&str, &str); 16] = [
    ("us-iso", "aws-iso"),
    ("us-isob", "aws-iso-b"),
    ("eu-isoe", "aws-iso-e"),
    ("us-isof", "aws-iso-f"),
    ("eusc-de", "aws-eusc"),
    ("us-gov", "aws-us-gov"),
    ("us", "aws"),
    ("eu", "aws"),
    ("ap", "aws"),
    ("ca", "aws"),
    ("sa", "aws"),
    ("me", "aws"),
    ("af", "aws"),
    ("il", "aws"),
    ("mx", "aws"),
    ("cn", "aws-cn"),
];

/// The partition of a Region, where it is known.
pub fn partition_of(region: &str) -> Option<&'static str> {
    let of = |area: &str| region.strip_prefix(area).is_some_and(|rest| rest.starts_with('-'));
    AREAS.into_iter().find(|(area, _)| of(area)).map(|(_, partition)| partition)
}

/// The Region that a text such as the name of a file holds: `us-east-1` of `us-east-1-` and of `acme-prod-2-us-east-1`.
pub fn region_in_text(name: &str) -> Option<&str> {
    let is_direction = |text: &str| {
        let rest = ["north", "south", "central"].into_iter().find_map(|one| text.strip_prefix(one)).unwrap_or(text);
        text.is_ascii() && (rest.is_empty() || ["east", "west"].contains(&rest))
    };
    let is_region = |text: &str| {
        let (place, number) = text.rsplit_once('-').unwrap_or_default();
        let (area, direction) = place.rsplit_once('-').unwrap_or_default();
        AREAS.iter().any(|(known, _)| *known == area)
            && is_direction(direction)
            && number.bytes().all(|byte| byte.is_ascii_digit())
    };
    let is_edge = |at: usize| at == 0 || at == name.len() || !name.as_bytes()[at].is_ascii_alphanumeric();
    let starts = (0..name.len()).filter(|at| *at == 0 || !name.as_bytes()[at - 1].is_ascii_alphanumeric());
    let mut found = starts.flat_map(|start| {
        let ends = (start + 1..=name.len()).filter(|end| is_edge(*end));
        ends.filter_map(move |end| name.get(start..end)).filter(|text| !text.ends_with('-'))
    });
    found.find(|text| is_region(text))
}

/// `us-east-1`, `us-gov-west-1`, `us-isob-east-1`: words and a number.
fn looks_like_a_region(part: &str) -> bool {
    let words: Vec<&str> = part.split('-').collect();
    match words.as_slice() {
        [first, middle @ .., last] if !middle.is_empty() => {
            let word = |word: &&str| !word.is_empty() && word.bytes().all(|b| b.is_ascii_lowercase());
            word(first) && middle.iter().all(word) && !last.is_empty() && last.bytes().all(|b| b.is_ascii_digit())
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_region_is_words_and_a_number() {
        for region in ["us-east-1", "us-gov-west-1", "ap-southeast-2", "eusc-de-east-1", "us-isob-east-1"] {
            assert!(looks_like_a_region(region), "{region}");
        }
        for other in ["global", "s3-global", "vpce", "us-east", "dynamodb-2", "us--1", "US-EAST-1", ""] {
            assert!(!looks_like_a_region(other), "{other}");
        }
    }

    #[test]
    fn a_zone_is_in_its_region() {
        for (zone, region) in [
            ("us-east-1a", Some("us-east-1")),
            ("us-gov-west-1b", Some("us-gov-west-1")),
            ("us-west-2-lax-1a", Some("us-west-2")),
            ("us-east-1-wl1-bos-wlz-1", Some("us-east-1")),
            ("us-east-1", None),
            ("use1-az6", None),
            ("a1b", None),
            ("", None),
        ] {
            assert_eq!(region_of_zone(zone), region, "{zone}");
        }
    }

    #[test]
    fn names_of_every_partition_hold_their_region() {
        let names = [
            "com.amazonaws.us-east-1.dynamodb",
            "cn.com.amazonaws.cn-north-1.dynamodb",
            "com.amazonaws.vpce.eu-west-1.vpce-svc-1",
            "com.amazonaws.global.cloudfront.origin-facing",
            "my-list",
        ];
        let found = regions(names.into_iter());
        assert_eq!(found.into_keys().collect::<Vec<_>>(), ["cn-north-1", "eu-west-1", "us-east-1"]);
    }
}
