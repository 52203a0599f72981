//! Which environment variables does Wellspring read? All of them are named here and nowhere else.
//!
//! Invariants:
//! - A variable that begins with `WELLSPRING_` and is not listed is refused with the nearest listed name: a typo in a
//!   unit file must not silently mean the default.

/// The path of the configuration file.
pub(crate) const CONFIG: &str = "WELLSPRING_CONFIG";
/// The key that clients must present; also what the client commands present.
pub(crate) const KEY: &str = "WELLSPRING_KEY";
/// The server that the client commands talk to.
pub(crate) const SERVER: &str = "WELLSPRING_SERVER";
/// The binary that the end-to-end tests run.
pub(crate) const TEST_BINARY: &str = "WELLSPRING_BIN";

/// Variables that are no settings of the service.
pub(crate) const OTHERS: &[&str] = &[CONFIG, KEY, SERVER, TEST_BINARY];

/// Keeps the ONNX Runtime from reporting to its vendor: it begins when the library is loaded, before it can be asked not to.
/// To be called before any other thread is started.
#[allow(unsafe_code, reason = "the library looks nowhere else")]
pub(crate) fn silence_runtime() {
    // SAFETY: the process has one thread yet, so nobody reads the environment meanwhile.
    unsafe { std::env::set_var(wellspring_embed::NO_TELEMETRY, "1") };
}

/// Where a user's data belongs: `$XDG_DATA_HOME/wellspring`, or `~/.local/share/wellspring`.
pub(crate) fn data_home() -> std::path::PathBuf {
    home_folder("XDG_DATA_HOME", ".local/share")
}

/// Where a user's configuration belongs: `$XDG_CONFIG_HOME/wellspring`, or `~/.config/wellspring`.
pub(crate) fn config_home() -> std::path::PathBuf {
    home_folder("XDG_CONFIG_HOME", ".config")
}

fn home_folder(variable: &str, below_home: &str) -> std::path::PathBuf {
    let absolute = |value: std::ffi::OsString| Some(std::path::PathBuf::from(value)).filter(|path| path.is_absolute());
    let base = std::env::var_os(variable)
        .and_then(absolute)
        .or_else(|| std::env::home_dir().map(|home| home.join(below_home)))
        .unwrap_or_else(|| std::path::PathBuf::from("."));
    base.join("wellspring")
}
