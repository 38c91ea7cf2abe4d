//! A migration that is new makes the program anew: the compiler is told of each file, but not of the folder.

fn main() {
    println!("cargo:rerun-if-changed=migrations");
}
