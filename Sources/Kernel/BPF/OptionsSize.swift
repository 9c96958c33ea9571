/// Returns the value for the `sz` field of one of libbpf's option structs: the size up to the end of the last field
/// that we know.
///
/// libbpf refuses bytes behind the last field that it knows itself unless they are zero, and the padding at the end of
/// an imported struct is not always zero.
func optionsSize<Options, Field>(through last: KeyPath<Options, Field>) -> Int {
    MemoryLayout<Options>.offset(of: last).map { $0 + MemoryLayout<Field>.size } ?? MemoryLayout<Options>.size
}
