/// The reader as the fields of a structure use it. Values that it does not accept are left to `JSONDecoder`, which
/// reads them by the same descriptions and says what is wrong with them.
extension JSONReader {
    /// Passes over a null, if one is next, and says whether it did.
    @inline(__always)
    mutating func takeNull() throws(UnreadableValue) -> Bool {
        try optional { _ throws(UnreadableValue) in true } == nil
    }

    @inline(__always)
    func isKey(_ key: JSONKey, _ name: StaticString) -> Bool { name ~= key }

    func text(of key: JSONKey) throws(UnreadableValue) -> String { try key.text() }

    @inline(__always)
    func failure(_ message: @autoclosure () -> String) -> UnreadableValue { UnreadableValue() }
}

extension FieldStruct {
    /// Reads a structure from JSON.
    public static func read(_ reader: inout JSONReader) throws(UnreadableValue) -> Self { try read(from: &reader) }
}
