//! What a type says of lifetimes, of types without a name, and of groups that nobody sees.

use syn::{
    ItemFn, Lifetime, Type, TypeGroup, TypeImplTrait, TypeParen, TypeReference,
    visit_mut::{self, VisitMut},
};

/// Whether a type borrows from something that does not live for ever.
pub(crate) fn borrows(ty: &Type) -> bool {
    Words::of(ty).borrows
}

/// Whether `impl Trait` stands in a type.
pub(crate) fn unnamed(ty: &Type) -> bool {
    Words::of(ty).unnamed
}

/// The function with its types as their words alone: a `macro_rules!` wraps the types that it is
/// given in groups without brackets.
pub(crate) fn ungrouped(function: &ItemFn) -> ItemFn {
    let mut function = function.clone();
    Ungroup.visit_signature_mut(&mut function.sig);
    function
}

struct Ungroup;

impl VisitMut for Ungroup {
    fn visit_type_mut(&mut self, ty: &mut Type) {
        while let Type::Group(TypeGroup { elem, .. }) | Type::Paren(TypeParen { elem, .. }) = ty {
            *ty = (**elem).clone();
        }
        visit_mut::visit_type_mut(self, ty);
    }
}

#[derive(Default)]
struct Words {
    borrows: bool,
    unnamed: bool,
}

impl Words {
    fn of(ty: &Type) -> Self {
        let mut words = Self::default();
        words.visit_type_mut(&mut ty.clone());
        words
    }
}

impl VisitMut for Words {
    fn visit_type_reference_mut(&mut self, reference: &mut TypeReference) {
        self.borrows |= reference.lifetime.is_none();
        visit_mut::visit_type_reference_mut(self, reference);
    }

    fn visit_lifetime_mut(&mut self, lifetime: &mut Lifetime) {
        self.borrows |= lifetime.ident != "static";
    }

    fn visit_type_impl_trait_mut(&mut self, unnamed: &mut TypeImplTrait) {
        self.unnamed = true;
        visit_mut::visit_type_impl_trait_mut(self, unnamed);
    }
}
