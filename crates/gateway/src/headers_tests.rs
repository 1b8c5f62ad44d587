use super::*;

fn map(lines: &[(&str, &str)]) -> HeaderMap {
    let pair = |(name, value): &(&str, &str)| -> (HeaderName, HeaderValue) {
        (name.parse().unwrap(), value.parse().unwrap())
    };
    lines.iter().map(pair).fold(HeaderMap::new(), |mut map, (name, value)| {
        map.append(name, value);
        map
    })
}

const FORGED: [&str; 11] = [
    "CF-Connecting-IP",
    "CF-Connecting-IPv6",
    "CF-IPCountry",
    "CF-Ray",
    "CF-Visitor",
    "CF-Worker",
    "CF-EW-Via",
    "True-Client-IP",
    "X-Forwarded-For",
    "X-Forwarded-Host",
    "X-Real-IP",
];

#[test]
fn claims_of_strangers_are_removed() {
    let mut headers: HeaderMap = map(&FORGED.map(|name| (name, "1")));
    headers.insert("x-hearth-cf", HeaderValue::from_static("{}"));
    headers.insert("cf-access-jwt-assertion", HeaderValue::from_static("1"));
    headers.insert("cf-webhook-auth", HeaderValue::from_static("token"));
    let mut trusted = headers.clone();
    clean_request(&mut headers, false);
    assert_eq!(headers.keys().map(HeaderName::as_str).collect::<Vec<_>>(), ["cf-webhook-auth"]);
    clean_request(&mut trusted, true);
    assert!(FORGED.iter().all(|name| trusted.contains_key(*name)));
    for ours in ["x-hearth-cf", "cf-access-jwt-assertion"] {
        assert!(!trusted.contains_key(ours), "nobody else speaks for us");
    }
}

#[test]
fn what_ends_at_this_hop_is_removed() {
    let lines = [
        ("Connection", "keep-alive, X-Private"),
        ("Connection", "host, content-length"),
        ("Keep-Alive", "timeout=5"),
        ("X-Private", "1"),
        ("TE", "trailers"),
        ("Trailer", "X"),
        ("Transfer-Encoding", "chunked"),
        ("Upgrade", "h2c"),
        ("Proxy-Authorization", "Basic x"),
        ("Host", "a"),
        ("Content-Length", "1"),
        ("X-Kept", "1"),
    ];
    let left = |headers: &HeaderMap| {
        let mut names: Vec<_> = headers.keys().map(|name| name.as_str().to_owned()).collect();
        names.sort();
        names
    };
    let mut headers = map(&lines);
    clean_request(&mut headers, true);
    assert_eq!(left(&headers), ["content-length", "host", "x-kept"]);
    let mut headers = map(&lines);
    clean_response(&mut headers);
    assert_eq!(left(&headers), ["content-length", "host", "x-kept"]);
}

#[test]
fn the_client_is_the_last_hop_that_nobody_trusted_wrote() {
    let trusted = ["10.0.0.0/8".parse().unwrap()];
    let peer = |ip: &str| SocketAddr::new(ip.parse().unwrap(), 1);
    for (from, lines, ip, https) in [
        ("1.1.1.1", &[("X-Forwarded-For", "6.6.6.6"), ("X-Forwarded-Proto", "https")][..], "1.1.1.1", false),
        ("::ffff:1.1.1.1", &[], "1.1.1.1", false),
        ("10.0.0.1", &[("X-Forwarded-For", "6.6.6.6, 2.2.2.2, 10.9.9.9")], "2.2.2.2", false),
        ("::ffff:10.0.0.1", &[("X-Forwarded-For", "2.2.2.2")], "2.2.2.2", false),
        ("10.0.0.1", &[("X-Forwarded-For", "6.6.6.6"), ("X-Forwarded-For", "2.2.2.2")], "2.2.2.2", false),
        ("10.0.0.1", &[("X-Forwarded-For", "6.6.6.6, nonsense")], "10.0.0.1", false),
        ("10.0.0.1", &[("X-Real-IP", "3.3.3.3"), ("X-Forwarded-Proto", "HTTPS")], "3.3.3.3", true),
        ("10.0.0.1", &[], "10.0.0.1", false),
    ] {
        let seen = client(peer(from), &map(lines), &trusted);
        assert_eq!(seen, Client { ip: ip.parse().unwrap(), https }, "{from} {lines:?}");
    }
}

#[test]
fn the_worker_is_told_who_asks() {
    let identity = Identity {
        ip: HeaderValue::from_static("2.2.2.2"),
        peer: HeaderValue::from_static("10.0.0.1"),
        country: HeaderValue::from_static("XX"),
        blob: HeaderValue::from_static("{}"),
    };
    let mut headers = map(&[("X-Forwarded-For", "2.2.2.2"), ("CF-IPCountry", "DE")]);
    set_identity(&mut headers, &identity, true, HeaderValue::from_static("ray"));
    for (name, value) in [
        ("cf-connecting-ip", "2.2.2.2"),
        ("x-real-ip", "2.2.2.2"),
        ("x-forwarded-for", "2.2.2.2, 10.0.0.1"),
        ("x-forwarded-proto", "https"),
        ("cf-visitor", r#"{"scheme":"https"}"#),
        ("cf-ipcountry", "DE"),
        ("cf-ray", "ray"),
        ("x-hearth-cf", "{}"),
    ] {
        let values: Vec<_> = headers.get_all(name).iter().collect();
        assert_eq!(values, [value], "{name}");
    }
}

#[test]
fn overrides_are_read_leniently() {
    let id = VersionId::random();
    let given = |text: String| {
        version_choice(&map(&[("Cloudflare-Workers-Version-Overrides", &text)]), "my-app").wanted
    };
    for text in [
        format!(r#"my-app="{id}""#),
        format!(r#"other="x", My-App = "{id}""#),
        format!("my-app={id}"),
        format!(r#"my-app="{id}";q=1, z"#),
    ] {
        assert_eq!(given(text.clone()), Some(id), "{text}");
    }
    for text in [format!(r#"app="{id}""#), "my-app".to_owned(), r#"my-app="""#.to_owned(), String::new()] {
        assert_eq!(given(text.clone()), None, "{text}");
    }
}

#[test]
fn split_cookies_are_joined() {
    let mut headers = map(&[("cookie", "a=1"), ("cookie", "b=2")]);
    join_cookies(&mut headers);
    assert_eq!(headers.get_all("cookie").iter().collect::<Vec<_>>(), ["a=1; b=2"]);
}

#[test]
fn code_on_the_control_host_neither_sees_nor_sets_the_session() {
    for (sent, kept) in [
        (&["a=1; hearth_session=s; b=2"][..], &["a=1; b=2"][..]),
        (&["__Host-hearth_session=s;hearth_session=t"], &[]),
        (&["hearth_session=s", "a=hearth_session=1"], &["a=hearth_session=1"]),
        (&["hearth_session"], &[]),
        (&["my_hearth_session=1;  b=2"], &["my_hearth_session=1;  b=2"]),
    ] {
        let lines: Vec<(&str, &str)> = sent.iter().map(|line| ("cookie", *line)).collect();
        let mut headers = map(&lines);
        hide_session(&mut headers);
        let left: Vec<&str> = headers.get_all("cookie").iter().map(|line| line.to_str().unwrap()).collect();
        assert_eq!(left, kept, "{sent:?}");
    }
    let mut answer = map(&[
        ("set-cookie", "hearth_session=evil; Path=/"),
        ("set-cookie", " __Host-hearth_session =evil; Secure; Path=/"),
        ("set-cookie", "own=1"),
    ]);
    keep_session(&mut answer);
    assert_eq!(answer.get_all("set-cookie").iter().collect::<Vec<_>>(), ["own=1"]);
}
