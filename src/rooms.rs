//! Tests the order of the rooms: a module uses only its own room and those below it, and no modules use each other in a
//! circle. A `pub use` counts as what it leads to.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
};

use syn::{
    Attribute, File, Item, ItemUse, UseTree, Visibility,
    visit::{self, Visit},
};

/// The top first.
const ROOMS: [&str; 22] = [
    "main",
    "cli",
    "worker",
    "api",
    "queue",
    "jobs",
    "steps",
    "settings",
    "reconcile",
    "maintenance",
    "guest",
    "docker",
    "fleet",
    "transcript",
    "remote",
    "secrets",
    "podspec",
    "store",
    "telemetry",
    "every",
    "fault",
    "model",
];
/// These use all rooms, so they are not checked.
const OUTSIDE: [&str; 3] = ["lib", "fuzz", "rooms"];

type Segments = Vec<String>;

/// How a module's file refers to others.
#[derive(Default)]
struct Module {
    /// Where each name of a `pub use` leads.
    leads: BTreeMap<String, Segments>,
    /// The paths that it uses, from the crate's root.
    uses: Vec<Segments>,
}

struct Reader<'a> {
    path: &'a [String],
    modules: &'a BTreeSet<Segments>,
    module: Module,
}

impl Reader<'_> {
    /// The path from the crate's root; `None` where it leads out of the crate, or to an item of the module itself.
    fn absolute(&self, path: &[String]) -> Option<Segments> {
        let supers = path.iter().take_while(|segment| *segment == "super").count();
        let from = |base: &[String], skipped: usize| Some([base, &path[skipped..]].concat());
        match path.first()?.as_str() {
            "crate" => from(&[], 1),
            "super" => from(self.path.get(..self.path.len().checked_sub(supers)?)?, supers),
            "self" => from(self.path, 1),
            child => {
                let child = [self.path, &[child.to_owned()]].concat();
                self.modules.contains(&child).then(|| from(self.path, 0)).flatten()
            }
        }
    }

    fn read_use(&mut self, before: &[String], tree: &UseTree, is_public: bool) {
        let (path, name) = match tree {
            UseTree::Path(path) => {
                return self.read_use(&[before, &[path.ident.to_string()]].concat(), &path.tree, is_public);
            }
            UseTree::Group(group) => {
                return group.items.iter().for_each(|tree| self.read_use(before, tree, is_public));
            }
            UseTree::Name(name) if name.ident == "self" => (before.to_vec(), before.last().cloned()),
            UseTree::Name(name) => ([before, &[name.ident.to_string()]].concat(), Some(name.ident.to_string())),
            UseTree::Rename(name) => ([before, &[name.ident.to_string()]].concat(), Some(name.rename.to_string())),
            UseTree::Glob(_) => (before.to_vec(), None),
        };
        let Some(path) = self.absolute(&path) else { return };
        match name.filter(|_| is_public) {
            Some(name) => drop(self.module.leads.insert(name, path)),
            None => self.module.uses.push(path),
        }
    }
}

impl<'ast> Visit<'ast> for Reader<'_> {
    fn visit_item(&mut self, item: &'ast Item) {
        let attributes: &[Attribute] = match item {
            Item::Mod(item) => &item.attrs,
            _ => &[],
        };
        let for_tests = |attribute: &Attribute| {
            attribute.path().is_ident("cfg") && attribute.parse_args::<syn::Ident>().is_ok_and(|cfg| cfg == "test")
        };
        if !attributes.iter().any(for_tests) {
            visit::visit_item(self, item);
        }
    }

    fn visit_item_use(&mut self, item: &'ast ItemUse) {
        self.read_use(&[], &item.tree, !matches!(item.vis, Visibility::Inherited));
    }

    fn visit_path(&mut self, path: &'ast syn::Path) {
        let segments: Segments = path.segments.iter().map(|segment| segment.ident.to_string()).collect();
        if segments.len() > 1 {
            self.module.uses.extend(self.absolute(&segments));
        }
        visit::visit_path(self, path);
    }
}

fn files(folder: &Path, found: &mut Vec<(Segments, File)>, above: &[String]) {
    for entry in fs::read_dir(folder).expect("a folder of sources") {
        let path = entry.expect("an entry").path();
        let name = path.file_stem().expect("a name").to_string_lossy().into_owned();
        if path.is_dir() {
            files(&path, found, &[above, &[name]].concat());
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let module = if name == "mod" { above.to_vec() } else { [above, &[name]].concat() };
            found.push((module, syn::parse_file(&fs::read_to_string(&path).expect("a source")).expect("Rust")));
        }
    }
}

/// Each module, and those that it uses.
fn graph() -> BTreeMap<String, BTreeSet<String>> {
    let mut sources = Vec::new();
    files(Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/src")), &mut sources, &[]);
    sources.retain(|(path, _)| !OUTSIDE.contains(&path[0].as_str()));
    let names: BTreeSet<Segments> = sources.iter().map(|(path, _)| path.clone()).collect();
    let read = |(path, file): &(Segments, File)| {
        let mut reader = Reader { path, modules: &names, module: Module::default() };
        reader.visit_file(file);
        (path.clone(), reader.module)
    };
    let modules: BTreeMap<Segments, Module> = sources.iter().map(read).collect();
    // Follows each `pub use` to the module that a path leads to.
    let find = |path: &Segments| {
        let mut path = path.clone();
        loop {
            let length = (1..=path.len()).rev().find(|length| modules.contains_key(&path[..*length]))?;
            let led = path.get(length).and_then(|name| modules[&path[..length]].leads.get(name));
            match led {
                Some(to) => path = [&to[..], &path[length + 1..]].concat(),
                None => return Some(path[..length].join("::")),
            }
        }
    };
    let uses = |(path, module): (&Segments, &Module)| {
        let name = path.join("::");
        let used = module.uses.iter().filter_map(find).filter(|used| *used != name).collect();
        (name, used)
    };
    modules.iter().map(uses).collect()
}

fn room(module: &str) -> usize {
    let room = module.split("::").next().unwrap_or_default();
    ROOMS.iter().position(|known| *known == room).unwrap_or_else(|| panic!("{module} is in no room: see ROOMS"))
}

#[test]
fn a_room_uses_only_what_is_below_it() {
    for (module, used) in graph() {
        for used in used {
            assert!(room(&module) <= room(&used), "{module} uses {used}, which is above it");
        }
    }
}

#[test]
fn no_module_is_in_a_circle() {
    let graph = graph();
    let reach = |from: &String| {
        let (mut reached, mut next) = (BTreeSet::new(), vec![from.clone()]);
        while let Some(module) = next.pop() {
            next.extend(graph[&module].iter().filter(|used| reached.insert((*used).clone())).cloned());
        }
        reached
    };
    let reached: BTreeMap<&String, BTreeSet<String>> = graph.keys().map(|module| (module, reach(module))).collect();
    let circle = |module: &String| -> Vec<&String> {
        reached[module].iter().filter(|other| reached[other].contains(module)).collect()
    };
    let circles: BTreeSet<_> = graph.keys().map(circle).filter(|circle| !circle.is_empty()).collect();
    assert!(circles.is_empty(), "modules that use each other: {circles:#?}");
}
