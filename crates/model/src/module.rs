//! The modules of an upload.

use serde::{Deserialize, Serialize};

/// One module of a version; its content is a blob.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Module {
    /// The specifier it is imported by, relative to the upload's root.
    pub name: String,
    /// How the runtime takes it.
    pub kind: ModuleKind,
    /// BLAKE3 of the content, 64 hex digits: the blob's name.
    pub hash: String,
    /// Bytes.
    pub size: u64,
}

/// How the runtime takes a module.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ModuleKind {
    /// An ECMAScript module.
    EsModule,
    /// A CommonJS module, or the script of the service-worker format.
    CommonJs,
    /// A string.
    Text,
    /// An `ArrayBuffer`.
    Data,
    /// A JSON value.
    Json,
    /// A `WebAssembly.Module`.
    Wasm,
    /// Not a module: kept to map stacks.
    SourceMap,
}

/// Why a module was refused; fit for the caller.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ModuleError {
    /// A media type we do not run.
    #[error("module {name:?} has the type {media_type:?}, which this Hearth does not run")]
    MediaType {
        /// The module's name.
        name: String,
        /// What was sent.
        media_type: String,
    },
    /// Python workers need a bundle that workerd fetches from the internet.
    #[error("module {0:?} is Python: Python Workers are not supported by this Hearth yet")]
    Python(String),
}

impl ModuleKind {
    /// From the media type of the upload's part (wrangler-api.md 4), without its parameters.
    ///
    /// # Errors
    /// [`ModuleError`] for Python and for what is unknown.
    pub fn from_media_type(name: &str, media_type: &str) -> Result<Self, ModuleError> {
        let essence = media_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
        Ok(match essence.as_str() {
            "application/javascript+module" | "text/javascript+module" => Self::EsModule,
            "application/javascript" | "text/javascript" => Self::CommonJs,
            "text/plain" => Self::Text,
            "application/octet-stream" => Self::Data,
            "application/json" => Self::Json,
            "application/wasm" => Self::Wasm,
            "application/source-map" => Self::SourceMap,
            "text/x-python" | "text/x-python-requirement" => {
                return Err(ModuleError::Python(name.to_owned()));
            }
            _ => {
                return Err(ModuleError::MediaType {
                    name: name.to_owned(),
                    media_type: media_type.to_owned(),
                });
            }
        })
    }

    /// The media type that an answer gives it: the inverse of [`Self::from_media_type`].
    pub fn media_type(self) -> &'static str {
        match self {
            Self::EsModule => "application/javascript+module",
            Self::CommonJs => "application/javascript",
            Self::Text => "text/plain",
            Self::Data => "application/octet-stream",
            Self::Json => "application/json",
            Self::Wasm => "application/wasm",
            Self::SourceMap => "application/source-map",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn media_types_are_read_without_their_parameters_and_written_back() {
        assert_eq!(
            ModuleKind::from_media_type("a", "Application/JavaScript+Module; charset=utf-8"),
            Ok(ModuleKind::EsModule)
        );
        for kind in [ModuleKind::EsModule, ModuleKind::CommonJs, ModuleKind::Text, ModuleKind::Wasm] {
            assert_eq!(ModuleKind::from_media_type("a", kind.media_type()), Ok(kind));
        }
        assert!(matches!(ModuleKind::from_media_type("a", "text/x-python"), Err(ModuleError::Python(_))));
        assert!(ModuleKind::from_media_type("a", "image/png").is_err());
    }
}
