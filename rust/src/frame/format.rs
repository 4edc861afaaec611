//! The frame formats: whether labels are a column or part of the columns, which lines share a row, and how
//! the columns are named.

/// How the points of a stream become frames; fixed for the stream's life.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Format {
    /// A row per time and set of labels: `labels`, `time`, and a column per field key.
    #[default]
    LabelsColumn,
    /// A row per time: `time`, and a column per field key and set of labels, named as the field key.
    Wide,
    /// As `Wide`, with a name for each column that no other column has.
    Series,
}

impl Format {
    /// All of them, the default first.
    pub const ALL: [Self; 3] = [Self::LabelsColumn, Self::Wide, Self::Series];

    /// The format of that name.
    #[must_use]
    pub fn find(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|format| format.word() == word)
    }

    /// The name of `gf_live_frame_format`.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::LabelsColumn => "labels_column",
            Self::Wide => "wide",
            Self::Series => "series",
        }
    }

    /// Whether each row names its labels. Otherwise all lines of one time share a row, and each column has
    /// labels.
    pub(super) const fn has_labels_column(self) -> bool {
        matches!(self, Self::LabelsColumn)
    }

    /// Whether a column of integers says so in the schema, until another number comes. Not with a labels column:
    /// a schema that is sent again costs the shipped panel its labels there. Those columns are float64 from their
    /// first number on, as Grafana Live has them.
    pub(super) const fn has_integer_columns(self) -> bool {
        !self.has_labels_column()
    }

    /// The columns before the fields', in the schema.
    pub(super) const fn leading_schema(self) -> &'static [u8] {
        match self {
            Self::LabelsColumn => {
                b"{\"name\":\"labels\",\"type\":\"string\",\"typeInfo\":{\"frame\":\"string\"}},\
                  {\"name\":\"time\",\"type\":\"time\",\"typeInfo\":{\"frame\":\"time.Time\"}}"
            }
            Self::Wide | Self::Series => {
                b"{\"name\":\"time\",\"type\":\"time\",\"typeInfo\":{\"frame\":\"time.Time\"}}"
            }
        }
    }
}
