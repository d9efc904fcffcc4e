//! Which findings have been listed, and for which groups that is enough to decide.

use std::collections::BTreeSet;

use super::group;

/// The findings that one watch shows.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Scope {
    /// The findings of all namespaces.
    Cluster,
    /// The findings of one namespace.
    Namespace(String),
}

impl Scope {
    /// The scopes of an operator that works in these namespaces; without a namespace it works in the whole cluster.
    pub(crate) fn of_watched(namespaces: &[String]) -> Vec<Self> {
        if namespaces.is_empty() {
            vec![Self::Cluster]
        } else {
            namespaces.iter().cloned().map(Self::Namespace).collect()
        }
    }

    /// Whether findings of this namespace are in the scope.
    pub(crate) fn contains(&self, namespace: &str) -> bool {
        match self {
            Self::Cluster => true,
            Self::Namespace(own) => own == namespace,
        }
    }
}

/// The scopes whose findings have not been listed yet.
#[derive(Debug, Default)]
pub(crate) struct Unlisted(BTreeSet<Scope>);

impl Unlisted {
    /// None of these scopes has been listed.
    pub(crate) fn new(scopes: impl IntoIterator<Item = Scope>) -> Self {
        Self(scopes.into_iter().collect())
    }

    /// The findings of a scope have been listed. Returns whether this was the first time.
    pub(crate) fn note_listed(&mut self, scope: &Scope) -> bool {
        self.0.remove(scope)
    }

    /// Whether all scopes have been listed.
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether a group may have findings that have not been listed. Nothing is decided for such a group: one fixed
    /// finding of fifty would look like the whole group.
    pub(crate) fn concerns(&self, group: &[String]) -> bool {
        match group::namespace_of(group) {
            Some(namespace) => self.0.iter().any(|scope| scope.contains(namespace)),
            None => !self.is_empty(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn group(namespace: &str) -> Vec<String> {
        vec![namespace.to_owned(), "asset.name".to_owned(), "web".to_owned()]
    }

    #[test]
    fn a_group_of_one_namespace_waits_for_that_namespace() {
        let scopes = Scope::of_watched(&["shop".to_owned(), "bank".to_owned()]);
        let mut unlisted = Unlisted::new(scopes.clone());
        assert!(unlisted.concerns(&group("shop")));
        assert!(unlisted.note_listed(&scopes[0]));
        assert!(!unlisted.note_listed(&scopes[0]), "only the first list counts");
        assert!(!unlisted.concerns(&group("shop")));
        assert!(unlisted.concerns(&group("bank")));
        assert!(unlisted.concerns(&group("*")), "it may have findings in any namespace");
        assert!(unlisted.note_listed(&scopes[1]));
        assert!(unlisted.is_empty() && !unlisted.concerns(&group("*")));
    }

    #[test]
    fn in_a_whole_cluster_every_group_waits_for_the_one_list() {
        let mut unlisted = Unlisted::new(Scope::of_watched(&[]));
        assert!(unlisted.concerns(&group("shop")));
        unlisted.note_listed(&Scope::Cluster);
        assert!(!unlisted.concerns(&group("shop")));
    }
}
