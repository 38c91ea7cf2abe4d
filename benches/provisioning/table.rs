//! The table of figures, printed row by row, with the targets at the end.

/// The width of a description's column.
const WIDTH: usize = 68;

/// What a row's figures have to reach.
#[derive(Clone, Copy)]
pub enum Target {
    /// The worker's figure divided by the reference's, round by round: the median.
    RatioAtMost(f64),
    RatioAtLeast(f64),
    /// The worker's figure minus the reference's.
    DifferenceAtMost(f64),
    /// The worker's figure alone.
    AtLeast(f64),
}

/// One measurement: a figure for each round.
pub struct Series<'a> {
    pub what: &'a str,
    pub figures: Vec<f64>,
}

#[derive(Default)]
pub struct Table {
    /// In the order of the rows.
    targets: Vec<String>,
    has_head: bool,
}

struct Spread {
    min: f64,
    median: f64,
    max: f64,
}

impl Spread {
    fn of(figures: &[f64]) -> Self {
        let mut sorted = figures.to_vec();
        sorted.sort_by(f64::total_cmp);
        let middle = sorted.len() / 2;
        let median =
            if sorted.len() % 2 == 1 { sorted[middle] } else { f64::midpoint(sorted[middle - 1], sorted[middle]) };
        Self { min: sorted[0], median, max: sorted[sorted.len() - 1] }
    }
}

impl Table {
    /// Prints figures that have no reference.
    pub fn figure(&mut self, unit: &str, ours: &Series) {
        self.row(unit, ours, None, &[]);
    }

    /// Prints figures without the reference's, and `why` the reference is missing.
    pub fn alone(&mut self, unit: &str, ours: &Series, why: &str, targets: &[Target]) {
        self.row(unit, ours, None, targets);
        println!("  {why}");
    }

    /// Prints figures beside the reference's, measured in the same rounds.
    pub fn compared(&mut self, unit: &str, ours: &Series, reference: &Series, targets: &[Target]) {
        self.row(unit, ours, Some(reference), targets);
    }

    fn row(&mut self, unit: &str, ours: &Series, reference: Option<&Series>, targets: &[Target]) {
        if !self.has_head {
            self.has_head = true;
            println!("{:<WIDTH$} {:>6} {:>6} {:>10} {:>10} {:>10}", "", "rounds", "", "min", "median", "max");
        }
        line(ours.what, unit, &ours.figures, 1);
        let pairs = |apply: fn(f64, f64) -> f64| -> Option<Vec<f64>> {
            let reference = reference?;
            assert_eq!(ours.figures.len(), reference.figures.len(), "a round of {} was not compared", ours.what);
            Some(ours.figures.iter().zip(&reference.figures).map(|(ours, theirs)| apply(*ours, *theirs)).collect())
        };
        let (ratios, differences) = (pairs(|a, b| a / b), pairs(|a, b| a - b));
        if let (Some(reference), Some(ratios), Some(differences)) = (reference, &ratios, &differences) {
            line(&format!("  beside: {}", reference.what), unit, &reference.figures, 1);
            line("  ratio", "", ratios, 2);
            if targets.iter().any(|target| matches!(target, Target::DifferenceAtMost(_))) {
                line("  difference", unit, differences, 1);
            }
        }
        for target in targets {
            let (aim, figures) = match target {
                Target::RatioAtMost(most) => (format!("ratio at most {most}"), ratios.as_deref()),
                Target::RatioAtLeast(least) => (format!("ratio at least {least}"), ratios.as_deref()),
                Target::DifferenceAtMost(most) => {
                    (format!("at most {most} {unit} more than beside"), differences.as_deref())
                }
                Target::AtLeast(least) => (format!("at least {least} {unit}"), Some(ours.figures.as_slice())),
            };
            let result = figures.map_or_else(
                || format!("{:>10} not measured", "-"),
                |figures| {
                    let median = Spread::of(figures).median;
                    format!("{median:>10.2} {}", if target.is_met_by(median) { "met" } else { "MISSED" })
                },
            );
            self.targets.push(format!("{:<WIDTH$} {aim:<32} {result}", ours.what));
        }
    }

    /// Prints each target, and whether the median meets it. A missed target is not an error: people judge timings.
    pub fn print_targets(&self) {
        if !self.targets.is_empty() {
            println!("\nTargets, by the median:\n{}", self.targets.join("\n"));
        }
    }
}

impl Target {
    fn is_met_by(self, median: f64) -> bool {
        match self {
            Self::RatioAtMost(most) | Self::DifferenceAtMost(most) => median <= most,
            Self::RatioAtLeast(least) | Self::AtLeast(least) => median >= least,
        }
    }
}

fn line(what: &str, unit: &str, figures: &[f64], decimals: usize) {
    let Spread { min, median, max } = Spread::of(figures);
    let rounds = figures.len();
    println!("{what:<WIDTH$} {rounds:>6} {unit:>6} {min:>10.decimals$} {median:>10.decimals$} {max:>10.decimals$}");
}
