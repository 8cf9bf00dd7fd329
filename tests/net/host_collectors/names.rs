use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_credential_types::Credentials;
use onnet::{
    model::{NameKind, ServiceName},
    observe::names::{ChosenBy, account_name, names},
};

fn plain() -> SdkConfig {
    SdkConfig::builder().behavior_version(BehaviorVersion::latest()).region(Region::new("us-east-1")).build()
}

fn with_account() -> Credentials {
    Credentials::builder()
        .access_key_id("AKIAEXAMPLE")
        .secret_access_key("secret")
        .account_id("111122223333")
        .provider_name("test")
        .build()
}

fn without_account() -> Credentials {
    Credentials::builder().access_key_id("AKIAEXAMPLE").secret_access_key("secret").provider_name("test").build()
}

fn summary(names: &[ServiceName]) -> Vec<(&str, u16, NameKind, bool)> {
    names.iter().map(|name| (name.hostname.as_str(), name.port, name.kind, name.in_use)).collect()
}

const REGIONAL: &str = "dynamodb.us-east-1.amazonaws.com";
const ACCOUNT: &str = "111122223333.ddb.us-east-1.amazonaws.com";

#[tokio::test]
async fn without_credentials_the_regional_name_is_known_and_that_another_one_may_be_used() {
    let seen = names(&plain()).await.unwrap();
    assert_eq!(summary(&seen.names), [(REGIONAL, 443, NameKind::Regional, true)]);
    assert!(seen.names[0].tls);
    assert!(seen.by_account);
}

#[tokio::test]
async fn an_account_id_brings_the_account_based_name() {
    let seen = account_name(&plain(), &with_account()).await.unwrap();
    assert_eq!(summary(seen.as_slice()), [(ACCOUNT, 443, NameKind::AccountBased, true)]);
    assert_eq!(account_name(&plain(), &without_account()).await.unwrap(), None);
}

#[tokio::test]
async fn a_custom_endpoint_is_in_use_and_the_regional_name_is_not() {
    let config = plain().into_builder().endpoint_url("http://localhost:8000/dynamodb").build();
    let seen = names(&config).await.unwrap();
    let all = &seen.names;
    assert_eq!(summary(all), [("localhost", 8000, NameKind::Custom, true), (REGIONAL, 443, NameKind::Regional, false)]);
    assert_eq!((all[0].tls, all[1].tls), (false, true));
    assert!(!seen.by_account);
}

#[tokio::test]
async fn a_custom_endpoint_may_be_the_regional_name_with_a_port() {
    let config = plain().into_builder().endpoint_url(format!("https://{REGIONAL}:8443")).build();
    let seen = names(&config).await.unwrap();
    assert_eq!(summary(&seen.names), [(REGIONAL, 8443, NameKind::Regional, true)]);
    assert!(!seen.by_account);
}

#[tokio::test]
async fn a_custom_endpoint_may_be_an_address() {
    for (url, host, port) in [("http://[2001:db8::7]", "2001:db8::7", 80), ("https://10.0.0.7", "10.0.0.7", 443)] {
        let seen = names(&plain().into_builder().endpoint_url(url).build()).await.unwrap().names;
        assert_eq!((seen[0].hostname.as_str(), seen[0].port, seen[0].kind), (host, port, NameKind::Custom));
    }
}

#[tokio::test]
async fn fips_and_dual_stack_change_the_name() {
    let fips = names(&plain().into_builder().use_fips(true).build()).await.unwrap();
    assert_eq!(summary(&fips.names), [("dynamodb-fips.us-east-1.amazonaws.com", 443, NameKind::Regional, true)]);
    assert!(!fips.by_account);
    let dual = names(&plain().into_builder().use_dual_stack(true).build()).await.unwrap();
    assert_eq!(summary(&dual.names), [("dynamodb.us-east-1.api.aws", 443, NameKind::Regional, true)]);
}

#[tokio::test]
async fn china_has_names_of_its_own() {
    let config = plain().into_builder().region(Region::new("cn-north-1")).build();
    let seen = names(&config).await.unwrap();
    assert_eq!(summary(&seen.names), [("dynamodb.cn-north-1.amazonaws.com.cn", 443, NameKind::Regional, true)]);
}

/// The profile represents the environment here: both are read from the loaded configuration.
#[expect(deprecated, reason = "the new names are in a crate that is no dependency of ours")]
async fn profile(settings: &str) -> SdkConfig {
    use aws_config::profile::profile_file::{ProfileFileKind, ProfileFiles};
    let text = format!("[default]\nregion = us-east-1\n{settings}\n");
    let files = ProfileFiles::builder().with_contents(ProfileFileKind::Config, text).build();
    aws_config::defaults(BehaviorVersion::latest()).profile_files(files).http_client(super::http()).load().await
}

#[tokio::test]
async fn the_profile_may_name_an_endpoint_for_dynamodb_alone() {
    let config =
        profile("services = ours\n[services ours]\ndynamodb =\n  endpoint_url = https://vpce.example:8443").await;
    let seen = names(&config).await.unwrap();
    assert_eq!(summary(&seen.names)[0], ("vpce.example", 8443, NameKind::Custom, true));
}

#[tokio::test]
async fn account_based_names_can_be_switched_off() {
    let config = profile("account_id_endpoint_mode = disabled").await;
    let seen = names(&config).await.unwrap();
    assert_eq!(summary(&seen.names), [(REGIONAL, 443, NameKind::Regional, true)]);
    assert!(!seen.by_account);
}

#[tokio::test]
async fn a_required_account_id_that_is_missing_is_a_failure_that_says_so() {
    let config = profile("account_id_endpoint_mode = required").await;
    assert!(names(&config).await.unwrap().by_account);
    let gap = account_name(&config, &without_account()).await.unwrap_err().gap();
    assert_eq!(gap.reason(), "failed");
    assert!(gap.to_string().to_lowercase().contains("accountid"), "{gap}");
    let seen = account_name(&config, &with_account()).await.unwrap();
    assert_eq!(summary(seen.as_slice())[0].0, ACCOUNT);
}

#[tokio::test]
async fn an_endpoint_that_is_no_url_is_a_failure() {
    let gap = names(&plain().into_builder().endpoint_url("not a url").build()).await.unwrap_err().gap();
    assert_eq!(gap.reason(), "failed", "{gap}");
}

#[tokio::test]
async fn given_names_are_added_once_and_those_of_other_services_are_not_in_use() {
    let given = [REGIONAL, ACCOUNT, "dynamodb.us-east-1.api.aws", "streams.dynamodb.us-east-1.amazonaws.com"];
    let seen = names(&plain()).await.unwrap().and(&given.map(str::to_owned));
    let expected = [
        (REGIONAL, 443, NameKind::Regional, true),
        (ACCOUNT, 443, NameKind::AccountBased, true),
        ("dynamodb.us-east-1.api.aws", 443, NameKind::Regional, true),
        ("streams.dynamodb.us-east-1.amazonaws.com", 443, NameKind::Streams, false),
    ];
    assert_eq!(summary(&seen.names), expected);
}

/// Beside a custom endpoint the regional name is not in use, unless somebody says so.
#[tokio::test]
async fn a_name_that_was_given_is_in_use() {
    let config = plain().into_builder().endpoint_url("http://localhost:8000").build();
    let seen = names(&config).await.unwrap().and(&[REGIONAL.to_owned()]);
    assert_eq!(summary(&seen.names)[1], (REGIONAL, 443, NameKind::Regional, true));
}

#[tokio::test]
async fn a_name_is_noted_with_the_settings_that_chose_it() {
    let chosen = ChosenBy {
        variant: vec!["AWS_USE_FIPS_ENDPOINT".into()],
        account: vec!["AWS_ACCOUNT_ID_ENDPOINT_MODE".into(), "AWS_ACCOUNT_ID".into()],
        url: Some("AWS_ENDPOINT_URL".into()),
    };
    let noted = |mut name: ServiceName| {
        chosen.note(&mut name);
        name.chosen_by
    };
    let of_account = account_name(&plain(), &with_account()).await.unwrap().unwrap();
    assert_eq!(noted(of_account), ["AWS_USE_FIPS_ENDPOINT", "AWS_ACCOUNT_ID_ENDPOINT_MODE", "AWS_ACCOUNT_ID"]);
    let custom = plain().into_builder().endpoint_url("http://localhost:8000").build();
    let [custom, regional] = <[ServiceName; 2]>::try_from(names(&custom).await.unwrap().names).unwrap();
    assert_eq!(noted(custom), ["AWS_ENDPOINT_URL"]);
    assert_eq!(noted(regional), ["AWS_USE_FIPS_ENDPOINT"], "the URL is not its");
}
