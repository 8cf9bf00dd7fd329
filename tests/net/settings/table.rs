//! Settings that are in use for other SDKs, with the required result of each.

/// One setting that is wrong, or that only other SDKs accept.
pub(crate) struct Bad {
    /// The variables, as `NAME=value`.
    pub(crate) variables: &'static [&'static str],
    /// The profile file.
    pub(crate) config: &'static str,
    /// The file of credentials.
    pub(crate) credentials: &'static str,
    pub(crate) expected: Expected,
}

/// The required result.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Expected {
    /// The same outcome as without it; a finding and the log at `-v` name this.
    Used(&'static str),
    /// The same outcome as without it.
    Ignored,
    /// Exit code 3, and one error that has all of these texts, with its own headline.
    Refused(&'static [&'static str]),
    /// Exit code 3, and a finding with this text.
    Undetermined(&'static str),
}

use Expected::{Ignored, Refused, Undetermined, Used};

const NO_CREDENTIALS: Expected = Undetermined("\"no-credentials\"");

const fn variable(variable: &'static [&'static str], expected: Expected) -> Bad {
    Bad { variables: variable, config: "", credentials: "", expected }
}

const fn profile(config: &'static str, expected: Expected) -> Bad {
    Bad { variables: &[], config, credentials: "", expected }
}

pub(crate) const HEADLINE: &str = "the AWS settings cannot be used";

pub(crate) const TABLE: &[Bad] = &[
    // Retries: onnet has its own.
    variable(&["AWS_RETRY_MODE=legacy"], Used("AWS_RETRY_MODE")),
    variable(&["AWS_RETRY_MODE=adaptive"], Ignored),
    variable(&["AWS_RETRY_MODE="], Used("AWS_RETRY_MODE")),
    variable(&["AWS_RETRY_MODE=sometimes"], Refused(&["AWS_RETRY_MODE", "\"sometimes\"", "legacy"])),
    variable(&["AWS_MAX_ATTEMPTS=0"], Used("AWS_MAX_ATTEMPTS")),
    variable(&["AWS_MAX_ATTEMPTS=-1"], Used("AWS_MAX_ATTEMPTS")),
    variable(&["AWS_MAX_ATTEMPTS=99999999999"], Used("AWS_MAX_ATTEMPTS")),
    variable(&["AWS_MAX_ATTEMPTS="], Used("AWS_MAX_ATTEMPTS")),
    variable(&["AWS_MAX_ATTEMPTS=many"], Refused(&["AWS_MAX_ATTEMPTS", "\"many\""])),
    variable(&["AWS_NEW_RETRIES_2026=true"], Ignored),
    profile("[default]\nretry_mode = legacy\n", Used("retry_mode")),
    profile("[default]\nretry_mode =\nmax_attempts =\n", Used("max_attempts")),
    profile("[default]\nmax_attempts = 0\n", Used("max_attempts")),
    profile(
        "[default]\nretry_mode = sometimes\nmax_attempts = many\n",
        Refused(&["retry_mode", "profile default", "/config", "\"sometimes\"", "max_attempts", "\"many\""]),
    ),
    // Endpoints.
    variable(&["AWS_ENDPOINT_URL="], Used("AWS_ENDPOINT_URL")),
    variable(&["AWS_ENDPOINT_URL_DYNAMODB="], Used("AWS_ENDPOINT_URL_DYNAMODB")),
    variable(&["AWS_ENDPOINT_URL_STS=", "AWS_ENDPOINT_URL="], Used("AWS_ENDPOINT_URL_STS")),
    variable(&["AWS_ENDPOINT_URL_DYNAMODB=localhost:8000"], Refused(&["AWS_ENDPOINT_URL_DYNAMODB"])),
    variable(&["AWS_ENDPOINT_URL_DYNAMODB=http://"], Refused(&["AWS_ENDPOINT_URL_DYNAMODB"])),
    variable(&["AWS_ENDPOINT_URL_DYNAMODB=http:///"], Refused(&["AWS_ENDPOINT_URL_DYNAMODB"])),
    variable(&["AWS_ENDPOINT_URL_DYNAMODB=ftp://host"], Refused(&["AWS_ENDPOINT_URL_DYNAMODB"])),
    variable(&["AWS_ENDPOINT_URL_STS=nonsense"], Refused(&["AWS_ENDPOINT_URL_STS"])),
    profile("[default]\nendpoint_url =\n", Used("endpoint_url")),
    profile("[default]\nendpoint_url = # none\n", Used("endpoint_url")),
    profile("[default]\nservices = s\n[services s]\ndynamodb =\n  endpoint_url =\n", Used("endpoint_url")),
    profile("[default]\nservices =\n", Ignored),
    profile("[default]\nservices = nowhere\n", Ignored),
    profile(
        "[default]\nservices = s\n[services s]\ndynamodb =\n  endpoint_url = nonsense\n",
        Refused(&["endpoint_url", "dynamodb of services s", "/config"]),
    ),
    profile("[default]\nendpoint_url = http:///nowhere\n", Refused(&["endpoint_url", "profile default"])),
    variable(&["AWS_USE_FIPS_ENDPOINT=sometimes"], Used("AWS_USE_FIPS_ENDPOINT")),
    variable(&["AWS_USE_DUALSTACK_ENDPOINT="], Used("AWS_USE_DUALSTACK_ENDPOINT")),
    profile("[default]\nuse_fips_endpoint = 1\nuse_dualstack_endpoint = no\n", Used("use_fips_endpoint")),
    variable(&["AWS_ACCOUNT_ID_ENDPOINT_MODE=sometimes"], Used("AWS_ACCOUNT_ID_ENDPOINT_MODE")),
    profile("[default]\naccount_id_endpoint_mode = sometimes\n", Used("account_id_endpoint_mode")),
    variable(&["AWS_IGNORE_CONFIGURED_ENDPOINT_URLS=sometimes"], Used("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS")),
    // Other keys of the SDKs, which onnet does not use.
    profile(
        "[default]\ndefaults_mode = sometimes\nsts_regional_endpoints = sometimes\nrequest_min_compression_size_bytes = \
         many\ndisable_request_compression = sometimes\nsigv4a_signing_region_set = ,,\nrequest_checksum_calculation = \
         sometimes\nresponse_checksum_validation = sometimes\nsdk_ua_app_id = a b\\c\nauth_scheme_preference = ,\n\
         tcp_keepalive = sometimes\nparameter_validation = sometimes\nec2_metadata_v1_disabled = sometimes\n\
         metadata_service_timeout = -1\nduration_seconds = many\n",
        Ignored,
    ),
    variable(
        &[
            "AWS_DEFAULTS_MODE=sometimes",
            "AWS_STS_REGIONAL_ENDPOINTS=sometimes",
            "AWS_REQUEST_MIN_COMPRESSION_SIZE_BYTES=-1",
            "AWS_DISABLE_REQUEST_COMPRESSION=sometimes",
            "AWS_SIGV4A_SIGNING_REGION_SET=,",
            "AWS_REQUEST_CHECKSUM_CALCULATION=sometimes",
            "AWS_RESPONSE_CHECKSUM_VALIDATION=sometimes",
            "AWS_SDK_UA_APP_ID=a b\\c\u{e9}",
            "AWS_EXECUTION_ENV=a\u{e9}b",
            "AWS_LAMBDA_FUNCTION_NAME=f",
            "_X_AMZN_TRACE_ID=a\nb",
            "AWS_AUTH_SCHEME_PREFERENCE=,",
            "AWS_METADATA_SERVICE_TIMEOUT=-1",
            "AWS_METADATA_SERVICE_NUM_ATTEMPTS=many",
            "AWS_DISABLE_CLOCK_SKEW_CORRECTION=sometimes",
        ],
        Ignored,
    ),
    // Regions.
    variable(&["AWS_REGION="], Used("AWS_REGION")),
    variable(&["AWS_REGION=us east 1"], Refused(&["AWS_REGION", "\"us east 1\""])),
    variable(&["AWS_DEFAULT_REGION=us-east-1\r"], Refused(&["AWS_DEFAULT_REGION", "us-east-1\\r"])),
    profile("[default]\nregion =\n", Used("region")),
    profile("[default]\nregion = us_east_1\n", Refused(&["region", "profile default", "\"us_east_1\""])),
    // Profile files.
    variable(&["AWS_PROFILE="], Ignored),
    profile("retry_mode = standard\n", Refused(&["/config", "line 1"])),
    profile("[default]\nretry_mode\n", Refused(&["/config", "line 2"])),
    profile("[default\n", Refused(&["/config", "line 1"])),
    Bad {
        variables: &[],
        config: "",
        credentials: "[default]\n  = x\n",
        expected: Refused(&["/credentials", "line 2"]),
    },
    variable(&["AWS_CONFIG_FILE=/nowhere/config", "AWS_SHARED_CREDENTIALS_FILE=/nowhere/credentials"], Ignored),
    variable(&["AWS_CONFIG_FILE=", "AWS_SHARED_CREDENTIALS_FILE="], Ignored),
    variable(&["AWS_CONFIG_FILE=/dev/null/config", "AWS_SHARED_CREDENTIALS_FILE=/dev/null"], Used("cannot be read")),
    variable(&["AWS_CONFIG_FILE=/"], Refused(&["/, which AWS_CONFIG_FILE names: this is a directory"])),
    variable(&["AWS_SHARED_CREDENTIALS_FILE=/dev/zero"], Refused(&["AWS_SHARED_CREDENTIALS_FILE", "a device"])),
    // Instance metadata.
    variable(&["AWS_EC2_METADATA_SERVICE_ENDPOINT=nonsense"], Refused(&["AWS_EC2_METADATA_SERVICE_ENDPOINT"])),
    variable(
        &["AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE=IPv5"],
        Refused(&["AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE", "\"IPv5\""]),
    ),
    variable(&["AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE="], Used("AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE")),
    // Certificates.
    variable(&["AWS_CA_BUNDLE=/nowhere/bundle.pem"], Refused(&["AWS_CA_BUNDLE", "/nowhere/bundle.pem"])),
    variable(&["AWS_CA_BUNDLE=/dev/zero"], Refused(&["/dev/zero, which AWS_CA_BUNDLE names: this is a device"])),
    variable(&["AWS_CA_BUNDLE=", "SSL_CERT_FILE=/dev/zero"], Refused(&["SSL_CERT_FILE", "a device"])),
    // Devices in a directory are not read.
    variable(&["AWS_CA_BUNDLE=", "SSL_CERT_DIR=/dev"], Refused(&["the system's trust store contains no usable"])),
    // Credentials.
    variable(
        &["AWS_WEB_IDENTITY_TOKEN_FILE=/dev/zero", "AWS_ROLE_ARN=r", "AWS_REGION=us-east-1"],
        Undetermined("/dev/zero, which AWS_WEB_IDENTITY_TOKEN_FILE names: this is a device"),
    ),
    variable(
        &["AWS_CONTAINER_CREDENTIALS_FULL_URI=http://127.0.0.1:1", "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE=/dev/zero"],
        Undetermined("/dev/zero, which AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE names: this is a device"),
    ),
    profile(
        "[default]\nregion = us-east-1\nrole_arn = r\nweb_identity_token_file = /dev/zero\n",
        Undetermined("/dev/zero, which web_identity_token_file of profile default in"),
    ),
    variable(&["AWS_EXECUTION_ENV=a\nb"], Refused(&["AWS_EXECUTION_ENV", "HTTP header"])),
    variable(
        &[
            "AWS_WEB_IDENTITY_TOKEN_FILE=",
            "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI=",
            "AWS_CONTAINER_CREDENTIALS_FULL_URI=",
        ],
        Ignored,
    ),
    variable(
        &["AWS_ACCESS_KEY_ID=AKIDEXAMPLE\r", "AWS_SECRET_ACCESS_KEY=x"],
        Refused(&["AWS_ACCESS_KEY_ID", "HTTP header"]),
    ),
    variable(
        &["AWS_ACCESS_KEY_ID=AKIDEXAMPLE", "AWS_SECRET_ACCESS_KEY=x", "AWS_SESSION_TOKEN=to\u{7f}ken"],
        Refused(&["AWS_SESSION_TOKEN", "HTTP header"]),
    ),
    Bad {
        variables: &[],
        config: "[default]\nrole_arn = arn:aws:iam::123456789012:role/r\nsource_profile = base\n",
        credentials: "[base]\naws_access_key_id = AKIDEXAMPLE\naws_secret_access_key = x\naws_session_token = to\u{1}ken\n",
        expected: Refused(&["aws_session_token", "profile base", "/credentials", "HTTP header"]),
    },
    profile(
        "[default]\ncredential_process = printf '{\"Version\":1,\"AccessKeyId\":\"A\\\\u0001\",\"SecretAccessKey\":\"x\"}'\n",
        Undetermined("HTTP header"),
    ),
    profile(
        "[default]\ncredential_process = echo '{\"Version\":1,\"AccessKeyId\":\"A\",\"SecretAccessKey\":\"x\",\"AccountId\":\"a b/c\"}'\n",
        Undetermined("account ID"),
    ),
    variable(&["AWS_CONTAINER_CREDENTIALS_FULL_URI=127.0.0.1:1"], Refused(&["AWS_CONTAINER_CREDENTIALS_FULL_URI"])),
    variable(
        &["AWS_CONTAINER_CREDENTIALS_RELATIVE_URI=nonsense"],
        Refused(&["AWS_CONTAINER_CREDENTIALS_RELATIVE_URI"]),
    ),
    variable(
        &["AWS_WEB_IDENTITY_TOKEN_FILE=/nowhere/token", "AWS_ROLE_ARN=nonsense", "AWS_ENDPOINT_URL_STS="],
        Refused(&["AWS_ENDPOINT_URL_STS", "STS"]),
    ),
    profile(
        "[default]\nregion = us-east-1\nrole_arn = nonsense\nsource_profile = default\naws_access_key_id = A\n\
         aws_secret_access_key = x\nendpoint_url = http://127.0.0.1:1\nservices = s\n[services s]\nsts =\n  endpoint_url =\n",
        NO_CREDENTIALS,
    ),
    profile(
        "[default]\nsso_session = s\nsso_account_id = 1\nsso_role_name = r\nendpoint_url =\n[sso-session s]\nsso_region = x y\nsso_start_url = nonsense\n",
        NO_CREDENTIALS,
    ),
    profile("[default]\nrole_arn = r\nsource_profile = default\n", Ignored),
    profile(
        "[default]\nrole_arn = r\nsource_profile = a\n[profile a]\nrole_arn = r\nsource_profile = default\n",
        NO_CREDENTIALS,
    ),
    variable(&["AWS_PROFILE=nowhere"], Used("AWS_PROFILE")),
];
