/// JSON as a source of fields' values. What the reader does not take, `JSONDecoder` reads by the same descriptions.
extension JSONReader: ValueSource {
    @inline(__always)
    public mutating func takeNull() throws(UnreadableValue) -> Bool {
        try optional { _ throws(UnreadableValue) in true } == nil
    }

    @inline(__always)
    public func isKey(_ key: JSONKey, _ name: StaticString) -> Bool { name ~= key }

    public func text(of key: JSONKey) throws(UnreadableValue) -> String { try key.text() }

    @inline(__always)
    public func failure(_ message: @autoclosure () -> String) -> UnreadableValue { UnreadableValue() }
}

extension FieldStruct {
    /// Reads a structure from JSON.
    public static func read(_ reader: inout JSONReader) throws(UnreadableValue) -> Self { try read(from: &reader) }
}
