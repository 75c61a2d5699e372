use super::*;
use crate::core::docker_models::ContainerCreateBody;

fn body(text: &str) -> Result<ContainerCreateBody, FieldError> {
    read(&parse(text.as_bytes()).unwrap(), &["Name", "Count"])
}

fn refused(text: &str, field: &str, words: &str) {
    let error = body(text).unwrap_err();
    assert_eq!(error.field, field, "{error}");
    assert!(error.message.contains(words), "{error}");
}

#[test]
fn a_duplicate_is_named_with_line_and_column() {
    let error = parse(b"{\"Image\": \"a\",\n \"Image\": \"b\"}").unwrap_err();
    assert_eq!((error.line(), error.to_string().contains("'Image' is given twice")), (2, true), "{error}");
    assert!(parse(br#"{"HostConfig": {"Memory": 1, "Memory": 2}}"#).is_err());
    assert!(parse(br#"{"Image": "a"} {"#).is_err());
}

#[test]
fn unknown_fields_are_named_at_any_depth_with_the_nearest_known_one() {
    refused(r#"{"Imgae": "a"}"#, "Imgae", "did you mean 'Image'?");
    refused(r#"{"image": "a"}"#, "image", "did you mean 'Image'?");
    refused(r#"{"Cuont": 1}"#, "Cuont", "did you mean 'Count'?");
    refused(r#"{"HostConfig": {"Memroy": 1}}"#, "HostConfig.Memroy", "did you mean 'Memory'?");
    refused(r#"{"Healthcheck": {"Zzzzzzzz": 1}}"#, "Healthcheck.Zzzzzzzz", "known here: Interval, ");
}

#[test]
fn wrong_types_are_reported_as_json_types() {
    refused(r#"{"Env": "A=1"}"#, "Env", "given the string \"A=1\"; allowed is an array");
    refused(r#"{"Env": ["A=1", 2]}"#, "Env[1]", "given 2; allowed is a string");
    refused(r#"{"Tty": "yes"}"#, "Tty", "allowed is true or false");
    refused(
        r#"{"HostConfig": {"Memory": 1.5}}"#,
        "HostConfig.Memory",
        "given 1.5; allowed is a whole number",
    );
    refused(r#"{"HostConfig": []}"#, "HostConfig", "allowed is an object");
    refused(r#"{"Volumes": {"/x": {"a": 1}}}"#, "Volumes./x", "given an object with fields; allowed is {}");
    refused(r#"{"Volumes": {"/x": "a"}}"#, "Volumes./x", "given the string \"a\"");
    refused(
        r#"{"HostConfig": {"RestartPolicy": {"Name": "alway"}}}"#,
        "HostConfig.RestartPolicy.Name",
        "did you mean \"always\"?",
    );
}

#[test]
fn docker_objects_are_accepted() {
    let parsed = body(
        r#"{"Name": "x", "Image": "a", "ExposedPorts": {"80/tcp": {}}, "Tty": null, "Labels": {"k": "v"},
            "HostConfig": {"PortBindings": {"80/tcp": [{"HostPort": "8080"}]}, "Memory": 1048576},
            "NetworkingConfig": {"EndpointsConfig": {"web": {"Aliases": ["x"]}}}}"#,
    )
    .unwrap();
    assert_eq!(parsed.exposed_ports, Some(vec!["80/tcp".to_owned()]));
    assert_eq!(parsed.host_config.unwrap().memory, Some(1_048_576));
}
