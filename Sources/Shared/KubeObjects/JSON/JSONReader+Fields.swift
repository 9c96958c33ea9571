/// What the fields of a structure ask of JSON. What the reader does not take, `JSONDecoder` reads by the same
/// descriptions, with words for what is wrong.
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
