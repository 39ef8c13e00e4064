use super::*;

fn variables(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
    pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

fn parse(text: &str, pairs: &[(&str, &str)]) -> Result<Storage, InvalidStorage> {
    Storage::parse(text, variables(pairs))
}

fn bucket(text: &str, pairs: &[(&str, &str)]) -> Bucket {
    match parse(text, pairs).expect(text) {
        Storage::Bucket(bucket) => bucket,
        Storage::Folder(path) => panic!("{text} is a folder: {path:?}"),
    }
}

#[test]
fn a_path_and_a_file_url_are_folders() {
    for (text, path) in [
        ("/var/lib/files", "/var/lib/files"),
        ("file:///var/lib/my%20files", "/var/lib/my files"),
        ("data/files", "data/files"),
        ("a b", "a b"),
        ("s3", "s3"),
        ("s3:/x", "s3:/x"),
    ] {
        assert_eq!(parse(text, &[]), Ok(Storage::Folder(path.into())), "{text}");
    }
}

#[test]
fn a_bucket_may_have_a_prefix() {
    for (text, shown) in [
        ("s3://pics", "s3://pics"),
        ("s3://pics/", "s3://pics"),
        ("s3://pics/a/b", "s3://pics/a/b"),
        ("s3://pics/a/b/", "s3://pics/a/b"),
        ("s3://My.old_bucket-1/v=1", "s3://My.old_bucket-1/v=1"),
    ] {
        assert_eq!(bucket(text, &[]).to_string(), shown, "{text}");
    }
}

#[test]
fn the_server_is_aws_unless_an_endpoint_says_otherwise() {
    let server = |pairs: &[(&str, &str)]| {
        let bucket = bucket("s3://pics", pairs);
        (bucket.server(), bucket.server_setting(), bucket.region().to_owned())
    };
    let expect = |server: &str, setting, region: &str| (server.to_owned(), setting, region.to_owned());
    assert_eq!(server(&[]), expect("AWS in us-east-1", "AWS_REGION", "us-east-1"));
    assert_eq!(
        server(&[("AWS_DEFAULT_REGION", "eu-west-1"), ("AWS_ENDPOINT_URL", "")]),
        expect("AWS in eu-west-1", "AWS_REGION", "eu-west-1")
    );
    let both = [("AWS_DEFAULT_REGION", "eu-west-1"), ("AWS_REGION", "garage")];
    assert_eq!(server(&both), expect("AWS in garage", "AWS_REGION", "garage"));
    let endpoints =
        [("AWS_ENDPOINT_URL", "http://minio:9000/"), ("AWS_ENDPOINT_URL_S3", "https://s3.example.com")];
    assert_eq!(server(&endpoints), expect("https://s3.example.com", "AWS_ENDPOINT_URL_S3", "us-east-1"));
    assert_eq!(server(&endpoints[..1]), expect("http://minio:9000", "AWS_ENDPOINT_URL", "us-east-1"));
}

#[test]
fn a_bucket_may_be_a_part_of_the_hosts_name() {
    let virtual_hosted = ("AWS_VIRTUAL_HOSTED_STYLE_REQUEST", "true");
    let endpoint = ("AWS_ENDPOINT_URL", "http://s3.example.com:9000/base/");
    assert_eq!(
        bucket("s3://pics", &[virtual_hosted, endpoint]).server(),
        "http://pics.s3.example.com:9000/base"
    );
    assert_eq!(bucket("s3://pics", &[endpoint]).server(), "http://s3.example.com:9000/base");
}

#[test]
fn the_first_credentials_that_are_set_count() {
    let keys = [("AWS_ACCESS_KEY_ID", "a"), ("AWS_SECRET_ACCESS_KEY", "b")];
    let role = [("AWS_WEB_IDENTITY_TOKEN_FILE", "/token"), ("AWS_ROLE_ARN", "arn")];
    let container = [("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", "/v2/credentials")];
    for (pairs, expected) in [
        ([&keys[..], &role[..], &container[..]].concat(), Credentials::Keys),
        ([&role[..], &container[..]].concat(), Credentials::WebIdentity),
        ([&role[..1], &container[..]].concat(), Credentials::Container),
        (role[..1].to_vec(), Credentials::Instance),
        (Vec::new(), Credentials::Instance),
    ] {
        assert_eq!(bucket("s3://pics", &pairs).credentials(), expected, "{pairs:?}");
    }
}

#[test]
fn nothing_secret_is_shown() {
    let pairs = [
        ("AWS_ACCESS_KEY_ID", "key-hidden"),
        ("AWS_SECRET_ACCESS_KEY", "secret-hidden"),
        ("AWS_SESSION_TOKEN", "token-hidden"),
    ];
    let storage = parse("s3://pics/a", &pairs).expect("a storage");
    for shown in [format!("{storage:?}"), storage.to_string()] {
        assert!(shown.contains("s3://pics/a") && !shown.contains("hidden"), "{shown}");
    }
    for (at, (name, value)) in pairs.into_iter().enumerate() {
        let mut broken = pairs.map(|(name, value)| (name, value.to_owned()));
        broken[at].1 = format!("{value}\n");
        let given = broken.map(|(name, value)| (name.to_owned(), value));
        let refused = Storage::parse("s3://pics", given).expect_err(name).to_string();
        assert!(refused.contains(name) && !refused.contains("hidden"), "{refused}");
    }
}

#[test]
fn what_cannot_be_right_is_refused_with_the_name_of_the_setting() {
    let long = format!("s3://{}", "b".repeat(300));
    let texts = [
        "",
        "s3://",
        "s3:///prefix",
        "s3://a b/c",
        "s3://..",
        &long,
        "s3://pics//a",
        "s3://pics/a//b",
        "s3://pics/../a",
        "s3://pics/a b",
        "s3://pics/a?b",
        "s3://pics/ä",
        "s3://pics/a%2Fb",
        "gs://pics/a",
        "http://localhost:9000/pics",
        "file://host/files",
        "file://",
        "S3://pics",
    ];
    let wrong_text = texts.map(|text| (text, parse(text, &[]).expect_err(text)));
    let settings: [&[(&str, &str)]; 15] = [
        &[("AWS_ENDPOINT_URL", "localhost:9000")],
        &[("AWS_ENDPOINT_URL", "not a url")],
        &[("AWS_ENDPOINT_URL_S3", "ftp://localhost")],
        &[("AWS_ENDPOINT_URL", "http://me:word@localhost")],
        &[("AWS_ENDPOINT_URL", "http://localhost/?a=b")],
        &[("AWS_ENDPOINT_URL", "http://localhost"), ("AWS_ALLOW_HTTP", "false")],
        &[("AWS_ENDPOINT_URL", "http://127.0.0.1"), ("AWS_VIRTUAL_HOSTED_STYLE_REQUEST", "true")],
        &[("AWS_ALLOW_HTTP", "perhaps")],
        &[("AWS_VIRTUAL_HOSTED_STYLE_REQUEST", "2")],
        &[("AWS_REGION", "eu west")],
        &[("AWS_ACCESS_KEY_ID", "a")],
        &[("AWS_SECRET_ACCESS_KEY", "b")],
        &[("AWS_ACCESS_KEY_ID", "a b"), ("AWS_SECRET_ACCESS_KEY", "b")],
        &[("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", "v2")],
        &[("AWS_CONTAINER_CREDENTIALS_FULL_URI", "v2")],
    ];
    let wrong_setting = settings.map(|pairs| (pairs, parse("s3://pics", pairs).expect_err("refused")));
    let mut sentences = String::new();
    for (text, refused) in wrong_text {
        sentences += &format!("{:.20}\n  {refused}\n", format!("{text:?}"));
    }
    for (pairs, refused) in wrong_setting {
        sentences += &format!("{pairs:?}\n  {refused}\n");
    }
    insta::assert_snapshot!(sentences.replace(&"b".repeat(300), "bbb..."));
}

#[test]
fn a_folder_needs_no_variables() {
    assert!(parse("files", &[("AWS_REGION", "eu west")]).is_ok());
    assert!(parse("s3://pics", &[("AWS_PROFILE", "my own\n"), ("HOME", "x y")]).is_ok());
}
