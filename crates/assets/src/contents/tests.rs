use std::time::Duration;

use super::*;

fn contents() -> (tempfile::TempDir, Contents) {
    let folder = tempfile::tempdir().unwrap();
    let contents = Contents::open(folder.path().join("assets"), Space::unbounded()).unwrap();
    (folder, contents)
}

/// As wrangler makes it.
fn hash_of(content: &[u8], extension: &str) -> ContentHash {
    use base64::Engine as _;
    let text = base64::engine::general_purpose::STANDARD.encode(content) + extension;
    blake3::hash(text.as_bytes()).to_hex().as_str()[..32].parse().unwrap()
}

async fn store(folder: &Folder, content: &[u8], hash: ContentHash) -> Result<u64, IncomingError> {
    let mut incoming = folder.receive().unwrap();
    for piece in content.chunks(7) {
        incoming.write(piece).await?;
    }
    incoming.finish(hash, "txt").await
}

async fn bytes(content: Content) -> Vec<u8> {
    match content {
        Content::Bytes(bytes) => bytes.to_vec(),
        Content::File(mut file, _) => {
            let mut bytes = Vec::new();
            io::Read::read_to_end(&mut file, &mut bytes).unwrap();
            bytes
        }
    }
}

#[tokio::test]
async fn what_came_in_is_read_back_and_is_its_accounts_alone() {
    let (_temporary, contents) = contents();
    let (mine, other) =
        (contents.folder(&"a".parse().unwrap()).unwrap(), contents.folder(&"b".parse().unwrap()).unwrap());
    for size in [0, 1, 2, 3, 100, 300_000] {
        let content: Vec<u8> = (0..size).map(|n: u32| n as u8).collect();
        let hash = hash_of(&content, "txt");
        assert_eq!(store(&mine, &content, hash).await.unwrap(), u64::from(size));
        assert_eq!(bytes(mine.read(hash, None).await.unwrap()).await, content);
        let elsewhere = other.read(hash, None).await.unwrap_err();
        assert_eq!(elsewhere.kind(), io::ErrorKind::NotFound);
    }
}

#[tokio::test]
async fn what_is_not_what_its_hash_says_leaves_nothing() {
    let (temporary, contents) = contents();
    let folder = contents.folder(&"a".parse().unwrap()).unwrap();
    let wrong = hash_of(b"other", "txt");
    assert!(matches!(store(&folder, b"content", wrong).await, Err(IncomingError::WrongHash(_))));
    let of_another_type = hash_of(b"content", "js");
    assert!(matches!(store(&folder, b"content", of_another_type).await, Err(IncomingError::WrongHash(_))));
    let documented: ContentHash =
        hex::encode(&<sha2::Sha256 as sha2::Digest>::digest(b"content")[..16]).parse().unwrap();
    assert!(store(&folder, b"content", documented).await.is_ok());
    let mut large = folder.receive().unwrap();
    large.write(&vec![0; crate::MAX_FILE as usize]).await.unwrap();
    assert!(matches!(large.write(b"x").await, Err(IncomingError::TooLarge)));
    drop(large);
    let left = fs::read_dir(temporary.path().join("assets/.incoming")).unwrap().count();
    assert_eq!((left, folder.files().unwrap().len()), (0, 1));
}

#[tokio::test]
async fn a_content_is_compressed_once_if_that_pays() {
    let (_temporary, contents) = contents();
    let folder = contents.folder(&"a".parse().unwrap()).unwrap();
    let text = "a line of text that comes again\n".repeat(1000).into_bytes();
    let noise: Vec<u8> = text
        .iter()
        .scan(1_u32, |state, _| {
            *state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            Some((*state >> 24) as u8)
        })
        .collect();
    for content in [&text, &noise] {
        store(&folder, content, hash_of(content, "txt")).await.unwrap();
    }
    for coding in Coding::ALL {
        let hash = hash_of(&text, "txt");
        assert!(folder.encoded(hash, coding).await.is_none(), "{coding:?} is still to be made");
        let encoded = loop {
            match folder.encoded(hash, coding).await {
                Some(content) => break bytes(content).await,
                None => tokio::time::sleep(Duration::from_millis(5)).await,
            }
        };
        assert!(encoded.len() < text.len() / 10, "{coding:?}");
        let mut decoded = Vec::new();
        match coding {
            Coding::Brotli => drop(brotli::BrotliDecompress(&mut &encoded[..], &mut decoded)),
            Coding::Zstd => decoded = zstd::decode_all(&encoded[..]).unwrap(),
            Coding::Gzip => {
                let mut decoder = flate2::read::GzDecoder::new(&encoded[..]);
                io::Read::read_to_end(&mut decoder, &mut decoded).unwrap();
            }
        }
        assert_eq!(decoded, text, "{coding:?}");
    }
    let hash = hash_of(&noise, "txt");
    folder.write_encoded(hash, Coding::Gzip).unwrap();
    assert!(folder.encoded(hash, Coding::Gzip).await.is_none());
    assert_eq!(fs::metadata(folder.path(hash, Some(Coding::Gzip))).unwrap().len(), 0);
}

#[tokio::test]
async fn quotas_count_contents_and_what_is_removed_is_free_again() {
    let temporary = tempfile::tempdir().unwrap();
    let space = || {
        let config = hearth_space::Config {
            folder: temporary.path().to_owned(),
            account_quota: Some(1000),
            reserve: Some(0),
        };
        Space::new(config).unwrap()
    };
    let account: AccountId = "a".parse().unwrap();
    let open = |space: &Space| Contents::open(temporary.path().join("assets"), space.clone()).unwrap();
    let first = space();
    let folder = open(&first).folder(&account).unwrap();
    let (one, two) = (vec![1; 600], vec![2; 600]);
    store(&folder, &one, hash_of(&one, "txt")).await.unwrap();
    assert!(matches!(store(&folder, &two, hash_of(&two, "txt")).await, Err(IncomingError::NoRoom(_))));
    assert_eq!(first.used(&account), 600);
    // What is there is found again.
    let later = space();
    let folder = open(&later).folder(&account).unwrap();
    assert_eq!(later.used(&account), 600);
    assert_eq!(folder.older_than(Duration::from_secs(60)).unwrap(), []);
    let hash = folder.older_than(Duration::ZERO).unwrap()[0];
    assert_eq!(folder.remove(hash).unwrap(), 600);
    assert_eq!(later.used(&account), 0);
    store(&folder, &two, hash_of(&two, "txt")).await.unwrap();
    // Without quotas nothing is added up; what was there before can be removed all the same.
    let folder = open(&Space::unbounded()).folder(&account).unwrap();
    assert_eq!(folder.remove(hash_of(&two, "txt")).unwrap(), 600);
    store(&folder, &one, hash_of(&one, "txt")).await.unwrap();
}
