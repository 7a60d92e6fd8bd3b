//! `graph`: the flows as a picture that other programs draw (Mermaid, DOT), or one that is drawn
//! already (SVG).

mod dot;
mod label;
mod mermaid;
mod model;
mod svg;

use std::{fs, path::Path};

use kisflow_core::{FlowConf, Inspection, Registry};

use self::model::Picture;
use crate::{
    args::{Common, GraphArgs, GraphFormat, Output},
    conf,
    failure::Failure,
    terminal,
};

pub(crate) fn run(registry: Registry, common: &Common, args: &GraphArgs) -> Result<(), Failure> {
    let inspection = conf::inspect(registry, &common.conf)?;
    let pictures = pictures(&inspection, args.flow.as_deref())?;
    let text = match common.output {
        Output::Json => json(&pictures)?,
        Output::Table => render(&pictures, args)?,
    };
    match &args.out {
        Some(file) => fs::write(file, text)
            .map_err(|error| Failure::io(format!("cannot write {}", file.display()), &error)),
        None => terminal::print(&text),
    }
}

/// Of the flow that is named, or of all.
fn pictures<'a>(
    inspection: &'a Inspection,
    name: Option<&str>,
) -> Result<Vec<Picture<'a>>, Failure> {
    let flows: Vec<&FlowConf> = match name {
        Some(name) => vec![inspection.flow(name).map_err(Failure::usage)?],
        None => inspection.conf.flows.values().collect(),
    };
    let picture = |flow| Picture::new(&inspection.conf, &inspection.connectors_of, flow);
    Ok(flows.into_iter().map(picture).collect())
}

fn json(pictures: &[Picture<'_>]) -> Result<String, Failure> {
    Ok(terminal::json(&pictures)? + "\n")
}

fn render(pictures: &[Picture<'_>], args: &GraphArgs) -> Result<String, Failure> {
    if pictures.is_empty() {
        return Err(Failure::usage("there is nothing to draw: the conf has no flow"));
    }
    Ok(match args.format.unwrap_or_else(|| format_of(args.out.as_deref())) {
        GraphFormat::Mermaid => mermaid::render(pictures),
        GraphFormat::Dot => dot::render(pictures),
        GraphFormat::Svg => svg::render(pictures),
    })
}

/// The format that a file's name asks for, when nobody says.
fn format_of(out: Option<&Path>) -> GraphFormat {
    match out.and_then(Path::extension).and_then(|extension| extension.to_str()) {
        Some("svg") => GraphFormat::Svg,
        Some("dot" | "gv") => GraphFormat::Dot,
        _ => GraphFormat::Mermaid,
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::{GraphFormat, format_of};

    #[test]
    fn the_name_of_the_file_says_the_format() {
        let check = |name: &str, format| assert_eq!(format_of(Some(Path::new(name))), format);
        check("flows.svg", GraphFormat::Svg);
        check("flows.dot", GraphFormat::Dot);
        check("flows.gv", GraphFormat::Dot);
        check("flows.mmd", GraphFormat::Mermaid);
        check("svg", GraphFormat::Mermaid);
        assert_eq!(format_of(None), GraphFormat::Mermaid);
    }
}
