//! Packs the JSON Schemas that `onnet schema` prints.
//!
//! They are made from the types by a test, and checked in. To make them at run time would need a description of each type in the
//! program, of ten times their size.

use flate2::{Compression, write::ZlibEncoder};
use std::{error::Error, fs, io::Write, path::Path};

const SCHEMAS: &str = "src/commands/schema";

#[expect(clippy::disallowed_methods, reason = "how cargo tells a build script")]
fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-changed={SCHEMAS}");
    let out = std::env::var("OUT_DIR")?;
    for file in fs::read_dir(SCHEMAS)? {
        let file = file?.path();
        let Some(name) = file.file_stem().filter(|_| file.extension().is_some_and(|extension| extension == "json"))
        else {
            continue;
        };
        let mut packed = ZlibEncoder::new(Vec::new(), Compression::best());
        packed.write_all(&fs::read(&file)?)?;
        fs::write(Path::new(&out).join(name).with_extension("z"), packed.finish()?)?;
    }
    Ok(())
}
