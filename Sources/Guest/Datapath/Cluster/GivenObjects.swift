import KubeObjects

/// The objects of a request, each with its text, from which it can be read again.
struct GivenObjects<Object: KubeObject> {
    var items: [Object] = []
    /// One text for each item.
    var texts: [ArraySlice<UInt8>] = []
    var removed: [ObjectKey] = []

    /// - Parameter members: The positions of `items` and `removed` in the line.
    /// - Throws: `UnreadableValue` for text that is left to `JSONDecoder`.
    init(_ line: [UInt8], _ members: [String: Range<Int>]) throws(UnreadableValue) {
        if let range = members["items"] {
            (items, texts) = try JSONReader.read(line[range]) { reader throws(UnreadableValue) in
                var items: [Object] = []
                var texts: [ArraySlice<UInt8>] = []
                _ = try reader.optional { reader throws(UnreadableValue) in
                    try reader.array { reader throws(UnreadableValue) in
                        let start = range.lowerBound + reader.offset
                        items.append(try Object.read(&reader))
                        texts.append(line[start..<range.lowerBound + reader.offset])
                    }
                }
                return (items, texts)
            }
        }
        if let range = members["removed"] {
            removed = try JSONReader.read(line[range]) { reader throws(UnreadableValue) in
                var removed: [ObjectKey] = []
                _ = try reader.optional { reader throws(UnreadableValue) in
                    try reader.array { reader throws(UnreadableValue) in removed.append(try ObjectKey.read(&reader)) }
                }
                return removed
            }
        }
    }

    /// Returns the texts of some of the items.
    func texts(of changes: ObjectChanges<Object>) -> [ArraySlice<UInt8>] {
        if changes.items.count == items.count { return texts }
        let wanted = Set(changes.items.map(\.key))
        return zip(items, texts).filter { wanted.contains($0.0.key) }.map(\.1)
    }
}
