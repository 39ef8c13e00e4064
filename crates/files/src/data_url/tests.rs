use proptest::prelude::*;

use super::*;

fn decoded(text: &str) -> (String, Vec<u8>) {
    let url = decode(text).unwrap_or_else(|| panic!("{text:?} was refused"));
    (url.content_type, url.bytes.to_vec())
}

#[test]
fn reads_the_forms_of_rfc_2397() {
    let table: [(&str, &str, &[u8]); 16] = [
        ("data:,", "text/plain;charset=US-ASCII", b""),
        ("data:,A%20brief%20note", "text/plain;charset=US-ASCII", b"A brief note"),
        ("data:text/plain,caf%C3%A9", "text/plain", "café".as_bytes()),
        ("data:text/plain,café, 100%", "text/plain", "café, 100%".as_bytes()),
        ("data:;charset=utf-8,x", "text/plain;charset=utf-8", b"x"),
        ("data:text/plain;charset=utf-8;base64,aGk=", "text/plain;charset=utf-8", b"hi"),
        ("data:text/plain; charset=utf-8 ; base64,aGk=", "text/plain;charset=utf-8", b"hi"),
        ("DATA:Image/PNG;BASE64,aGk=", "image/png", b"hi"),
        ("data:;base64,aGk=", "text/plain;charset=US-ASCII", b"hi"),
        ("data:image/svg+xml,<svg a='#1'/>", "image/svg+xml", b"<svg a='#1'/>"),
        ("data:a/b;base64,aGk", "a/b", b"hi"),
        ("data:a/b;base64,aGk%3D", "a/b", b"hi"),
        ("data:a/b;base64, aG\n k= ", "a/b", b"hi"),
        ("data:a/b;base64,-_-_", "a/b", &[0xfb, 0xff, 0xbf]),
        ("data:a/b;base64,+/+/", "a/b", &[0xfb, 0xff, 0xbf]),
        ("data:a/b;base64,", "a/b", b""),
    ];
    for (text, content_type, bytes) in table {
        assert_eq!(decoded(text), (content_type.to_owned(), bytes.to_vec()), "{text}");
    }
}

#[test]
fn refuses_what_is_no_data_url() {
    let not_even_alike = [
        "",
        "data:",
        "data",
        "https://example.com/a,b",
        "data: one, two and three",
        "data:one,two",
        "data:a/b/c,x",
        "data:a/b;charset,x",
        "data:a/b;x=1\r\n2,x",
        "dåta:,x",
        "🐈🐈,x",
    ];
    for text in not_even_alike {
        assert!(!looks_like(text) && decode(text).is_none(), "{text:?}");
    }
    for broken in ["data:a/b;base64,a", "data:a/b;base64,!!!!", "data:a/b;base64,aG=k"] {
        assert!(looks_like(broken) && decode(broken).is_none(), "{broken:?}");
    }
}

#[test]
fn an_endless_header_is_not_searched() {
    assert!(!looks_like(&format!("data:a/{},x", "b".repeat(MAX_HEADER_BYTES))));
}

#[test]
fn writes_base64_with_padding() {
    assert_eq!(encode("image/png", b"hi"), "data:image/png;base64,aGk=");
    assert_eq!(encode("text/plain; charset=utf-8", b""), "data:text/plain;charset=utf-8;base64,");
}

#[test]
fn file_names_get_the_usual_extension() {
    let table = [
        ("image/png", "out.png"),
        ("image/jpeg", "out.jpg"),
        ("image/webp", "out.webp"),
        ("image/gif", "out.gif"),
        ("text/plain;charset=utf-8", "out.txt"),
        ("application/json", "out.json"),
        ("audio/mpeg", "out.mp3"),
        ("audio/wav", "out.wav"),
        ("video/mp4", "out.mp4"),
        ("application/pdf", "out.pdf"),
        ("image/avif", "out.avif"),
        ("image/bmp", "out.bmp"),
        ("text/csv", "out.csv"),
        ("application/octet-stream", "out.bin"),
        ("acme/unheard-of", "out.bin"),
        ("", "out.bin"),
    ];
    for (content_type, expected) in table {
        let url = DataUrl { content_type: content_type.to_owned(), bytes: Bytes::new() };
        assert_eq!(url.file_name("out"), expected, "{content_type}");
    }
}

proptest! {
    #[test]
    fn what_is_written_is_read_back(bytes: Vec<u8>) {
        let text = encode("application/x-test", &bytes);
        prop_assert!(looks_like(&text));
        let url = decode(&text).expect("just encoded");
        prop_assert_eq!(url, DataUrl { content_type: "application/x-test".to_owned(), bytes: bytes.into() });
    }

    #[test]
    fn percent_encoded_bytes_are_read_back(bytes: Vec<u8>) {
        let text: String = bytes.iter().map(|byte| format!("%{byte:02X}")).collect();
        let url = decode(&format!("data:a/b,{text}")).expect("well formed");
        prop_assert_eq!(url.bytes.as_ref(), bytes.as_slice());
    }

    #[test]
    fn garbage_is_refused_or_gives_a_header_value(text in "(data:)?[\\PC\r\n;,/=%]{0,60}|data:[a-z/;=,*+%\" -]{0,60}|\\PC{0,60}") {
        if let Some(url) = decode(&text) {
            prop_assert!(looks_like(&text));
            prop_assert!(url.content_type.bytes().all(|byte| byte.is_ascii_graphic()), "{}", url.content_type);
            prop_assert!(!url.file_name("x").contains(['/', '*']));
        }
    }
}
