//! Access rights by groups, with Odoo's wording.
use std::collections::{BTreeMap, BTreeSet};

use super::Version;

/// What a user wants to do with the records of a model.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Right {
    Read,
    Write,
    Create,
    Unlink,
}

impl Right {
    fn letter(self) -> char {
        match self {
            Self::Read => 'r',
            Self::Write => 'w',
            Self::Create => 'c',
            Self::Unlink => 'u',
        }
    }

    fn verb(self) -> &'static str {
        match self {
            Self::Read => "access",
            Self::Write => "modify",
            Self::Create => "create",
            Self::Unlink => "delete",
        }
    }
}

#[derive(Debug, Default)]
struct Group {
    name: String,
    implies: Vec<String>,
}

/// The rights of one version, from `access.txt`.
#[derive(Debug)]
pub(super) struct Rights {
    groups: BTreeMap<String, Group>,
    grants: Vec<(String, String, String)>,
    version: Version,
}

impl Rights {
    pub(super) fn of(version: Version) -> Self {
        let mut rights = Self {
            groups: BTreeMap::new(),
            grants: Vec::new(),
            version,
        };
        for line in include_str!("access.txt").lines() {
            let parts: Vec<&str> = line.split('|').collect();
            match parts.as_slice() {
                ["g", id, name_17, name_19, implies] => {
                    let name = if version == Version::V17 {
                        name_17
                    } else {
                        name_19
                    };
                    let implies = implies
                        .split(',')
                        .filter(|text| !text.is_empty())
                        .map(str::to_owned)
                        .collect();
                    rights.groups.insert(
                        (*id).to_owned(),
                        Group {
                            name: (*name).to_owned(),
                            implies,
                        },
                    );
                }
                ["a", model, group, letters, versions] if versions.contains(version.digits()) => {
                    rights.grants.push((
                        (*model).to_owned(),
                        (*group).to_owned(),
                        (*letters).to_owned(),
                    ));
                }
                _ => {}
            }
        }
        rights
    }

    /// All groups there are.
    pub(super) fn every_group(&self) -> BTreeSet<String> {
        self.groups.keys().cloned().collect()
    }

    /// External id and name of every group that this version has.
    pub(super) fn names(&self) -> impl Iterator<Item = (&str, &str)> {
        let all = self.groups.iter();
        all.map(|(id, group)| (id.as_str(), group.name.as_str()))
            .filter(|(_, name)| !name.is_empty())
    }

    /// The groups with all that they imply.
    pub(super) fn expand(&self, groups: &[String]) -> BTreeSet<String> {
        let mut open: Vec<String> = groups.to_vec();
        let mut all = BTreeSet::new();
        while let Some(group) = open.pop() {
            if let Some(known) = self.groups.get(&group) {
                open.extend(
                    known
                        .implies
                        .iter()
                        .filter(|next| !all.contains(*next))
                        .cloned(),
                );
            }
            all.insert(group);
        }
        all
    }

    pub(super) fn allows(&self, groups: &BTreeSet<String>, model: &str, right: Right) -> bool {
        let ruled = self.grants.iter().any(|(of, _, _)| of == model);
        !ruled
            || self.grants.iter().any(|(of, group, letters)| {
                of == model && letters.contains(right.letter()) && groups.contains(group)
            })
    }

    /// Odoo's refusal, naming the groups that would be let in.
    pub(super) fn refusal(&self, label: &str, model: &str, right: Right) -> String {
        let mut names: Vec<&str> = self
            .grants
            .iter()
            .filter(|(of, _, letters)| of == model && letters.contains(right.letter()))
            .filter_map(|(_, group, _)| self.groups.get(group))
            .map(|group| group.name.as_str())
            .collect();
        // 19 lists the groups of a privilege (`Sales/...`) before those without one.
        let version = self.version;
        names.sort_by_key(|name| {
            (
                version == Version::V19 && (!name.contains('/') || name.contains(" / ")),
                *name,
            )
        });
        names.dedup();
        let head = format!(
            "You are not allowed to {} '{label}' ({model}) records.",
            right.verb()
        );
        if names.is_empty() {
            return format!(
                "{head}\n\nNo group currently allows this operation.\n\nContact your administrator to request access if necessary."
            );
        }
        let list: Vec<String> = names.iter().map(|name| format!("\t- {name}")).collect();
        format!(
            "{head}\n\nThis operation is allowed for the following groups:\n{}\n\nContact your administrator to request access if necessary.",
            list.join("\n")
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stock_manager_is_also_a_stock_user_and_an_internal_user() {
        let groups = Rights::of(Version::V17).expand(&["stock.group_stock_manager".into()]);
        assert!(groups.contains("stock.group_stock_user") && groups.contains("base.group_user"));
    }

    #[test]
    fn contacts_on_19_need_more_than_stock_and_billing() {
        let rights = Rights::of(Version::V19);
        let groups = rights.expand(&[
            "stock.group_stock_user".into(),
            "account.group_account_invoice".into(),
        ]);
        assert!(!rights.allows(&groups, "res.partner", Right::Create));
        let text = rights.refusal("Contact", "res.partner", Right::Create);
        assert!(
            text.starts_with("You are not allowed to create 'Contact' (res.partner) records."),
            "{text}"
        );
        assert!(text.contains("\t- Contact/Creation\n"), "{text}");
    }
}
