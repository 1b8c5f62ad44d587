//! In which ways a path can be read. Pure.
//!
//! What stands before an application must not be walked around by spelling its path another way: routers of workers decode
//! paths, join slashes and fold case, or do not. So a path has several readings, and one that leads into an application is
//! enough for that to be asked.

use percent_encoding::percent_decode_str;

/// How often a path is decoded at most: what is encoded more often, no router undoes.
const DEEPEST: usize = 5;

/// The readings of a path: as segments, in lower case, without empty ones. Usually one.
pub(crate) fn readings(path: &str) -> Vec<Vec<String>> {
    let mut readings = vec![segments(path, false)];
    let odd = path.contains(['%', '\\', ';', '?', '#']) || path.contains("//") || path.contains("/.");
    if !odd {
        return readings;
    }
    let mut note = |reading: Vec<String>| {
        if !readings.contains(&reading) {
            readings.push(reading);
        }
    };
    let mut text = path.to_owned();
    for _ in 0..DEEPEST {
        note(segments(&text, false));
        note(segments(&text, true));
        let plain = without_parameters(&text);
        note(segments(&plain, true));
        // A URL parser resolves dots that are encoded, and leaves slashes that are.
        note(segments(&text.replace("%2e", ".").replace("%2E", "."), true));
        let decoded = percent_decode_str(&text).decode_utf8_lossy().into_owned();
        if decoded == text {
            break;
        }
        text = decoded;
    }
    note(segments(&text, false));
    note(segments(&text, true));
    readings
}

/// Without what stands behind a semicolon in a segment.
fn without_parameters(path: &str) -> String {
    let plain = path.split('/').map(|segment| segment.split(';').next().unwrap_or_default());
    plain.collect::<Vec<_>>().join("/")
}

fn segments(path: &str, resolve: bool) -> Vec<String> {
    let mut found: Vec<String> = Vec::new();
    for segment in path.split(['/', '\\']).filter(|segment| !segment.is_empty()) {
        match segment {
            "." if resolve => {}
            ".." if resolve => {
                found.pop();
            }
            segment => found.push(segment.to_lowercase()),
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_usual_path_has_one_reading() {
        assert_eq!(readings("/Admin/Users/"), [["admin", "users"]]);
        assert_eq!(readings("/"), [Vec::<String>::new()]);
    }

    #[test]
    fn every_spelling_of_a_path_is_read_as_it() {
        for spelling in [
            "/admin/x",
            "//admin/x",
            "/ADMIN/x",
            "/%61dmin/x",
            "/%2561dmin/x",
            "/admin%2fx",
            "/\\admin\\x",
            "/./admin/x",
            "/a/../admin/x",
            "/a/%2e%2e/admin/x",
            "/a/%2e%2E%2fadmin/x",
            "/a/.%2e/admin/x",
            "/admin;v=1/x",
            "/%5cadmin/x",
            // The other way: what a URL parser takes for it, though decoding leads out of it.
            "/admin/x/..%2f..%2fpublic",
        ] {
            let found = readings(spelling);
            let into = |reading: &Vec<String>| reading.starts_with(&["admin".to_owned(), "x".to_owned()]);
            assert!(found.iter().any(into), "{spelling}: {found:?}");
        }
    }

    proptest::proptest! {
        /// However often it is encoded, a path is read as what it is in the end.
        #[test]
        fn encoding_hides_nothing(hidden in "[a-z]{1,8}", times in 0_usize..4) {
            let mut text: String = hidden.bytes().map(|byte| format!("%{byte:02x}")).collect();
            for _ in 0..times {
                text = text.replace('%', "%25");
            }
            let found = readings(&format!("/{text}/b"));
            proptest::prop_assert!(found.contains(&vec![hidden, "b".to_owned()]), "{text}");
        }
    }
}
