//! A new migration must be compiled in, and the macro that embeds them sees only files it has read before.

fn main() {
    println!("cargo:rerun-if-changed=migrations");
}
