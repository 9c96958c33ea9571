/// What belongs in the `sz` field of libbpf's option structs: up to the end of the last field that is known here.
///
/// libbpf refuses what is not zero behind the last field that it knows itself, and the padding at the end of an
/// imported struct is not always zero.
func optionsSize<Options, Field>(through last: KeyPath<Options, Field>) -> Int {
    MemoryLayout<Options>.offset(of: last).map { $0 + MemoryLayout<Field>.size } ?? MemoryLayout<Options>.size
}
