//! STS: who am I, and the credentials of another role.

use super::{
    ec2,
    fakes::http::{Request, Response},
    faults::Fault,
    imds::after,
    world::World,
};
use std::time::Duration;

pub fn answer(world: &World, request: &Request, fault: Option<Fault>) -> Response {
    match fault {
        Some(Fault::Throttle) => return error(400, "Throttling", "Rate exceeded"),
        Some(Fault::Denied) => return error(403, "AccessDenied", "The role is not authorized to perform this call"),
        Some(Fault::BadCredentials) => return error(403, "InvalidClientTokenId", "The security token is invalid"),
        Some(Fault::Garbage) => return Response::new(200, "text/xml", "<GetCallerIdentityResponse><Ac"),
        _ => {}
    }
    if request.header("authorization").is_none() {
        return error(403, "MissingAuthenticationToken", "Request is missing Authentication Token");
    }
    let parameters = ec2::parameters(&request.body);
    let account = &world.account;
    let session = format!("arn:aws:sts::{account}:assumed-role/{}/{}", world.role, world.instance);
    match parameters.get("Action").map(String::as_str) {
        Some("GetCallerIdentity") => result(
            "GetCallerIdentity",
            &format!("<Arn>{session}</Arn><UserId>AROAEXAMPLE:{}</UserId><Account>{account}</Account>", world.instance),
        ),
        Some("AssumeRole") => {
            let (Some(role), Some(name)) = (parameters.get("RoleArn"), parameters.get("RoleSessionName")) else {
                return error(400, "ValidationError", "RoleArn and RoleSessionName are required");
            };
            let role = role.rsplit('/').next().unwrap_or_default();
            let expires = after(Duration::from_secs(3600));
            result(
                "AssumeRole",
                &format!(
                    "<Credentials><AccessKeyId>ASIAEXAMPLEONNETLAB1</AccessKeyId>\
                     <SecretAccessKey>not-a-secret-the-lab-does-not-check-it01</SecretAccessKey>\
                     <SessionToken>not-a-secret-either</SessionToken><Expiration>{expires}</Expiration></Credentials>\
                     <AssumedRoleUser><Arn>arn:aws:sts::{account}:assumed-role/{}/{}</Arn>\
                     <AssumedRoleId>AROAEXAMPLE:{}</AssumedRoleId></AssumedRoleUser>",
                    ec2::escape(role),
                    ec2::escape(name),
                    ec2::escape(name)
                ),
            )
        }
        _ => error(400, "InvalidAction", "the lab knows GetCallerIdentity and AssumeRole"),
    }
}

const NAMESPACE: &str = "https://sts.amazonaws.com/doc/2011-06-15/";

fn result(action: &str, body: &str) -> Response {
    let metadata = "<ResponseMetadata><RequestId>01234567-89ab-cdef-0123-456789abcdef</RequestId></ResponseMetadata>";
    let text = format!(
        "<{action}Response xmlns=\"{NAMESPACE}\"><{action}Result>{body}</{action}Result>{metadata}</{action}Response>"
    );
    Response::new(200, "text/xml", text)
}

fn error(status: u16, code: &str, message: &str) -> Response {
    let text = format!(
        "<ErrorResponse xmlns=\"{NAMESPACE}\"><Error><Type>Sender</Type><Code>{code}</Code><Message>{message}</Message>\
         </Error><RequestId>01234567-89ab-cdef-0123-456789abcdef</RequestId></ErrorResponse>"
    );
    Response::new(status, "text/xml", text)
}
