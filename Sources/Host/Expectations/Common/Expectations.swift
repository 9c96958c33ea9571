import ScenarioReading

/// What a step expects, and the time it has to come true.
public struct Expectations: Codable, Sendable {
    /// The expectations in the order of the catalogue.
    package var all: [any Expectation]
    /// The seconds after the step's last action in which the expectations must come true.
    public var within: Double

    package init(_ all: [any Expectation] = [], within: Double = 10) {
        self.all = all
        self.within = within
    }

    /// The expectations of one kind, in the order of the file.
    package func of<Kind: Expectation>(_ kind: Kind.Type) -> [Kind] { all.compactMap { $0 as? Kind } }

    /// One line for each expectation.
    package var words: [String] { all.map(\.words) }

    /// What has to be observed in this step besides the matrix.
    package var needs: Set<ObservationNeed> { all.reduce(into: []) { $0.formUnion($1.needs) } }
}

// MARK: Shape and reading

extension Expectations {
    /// The shape of `expect`, with a key for each kind.
    package static func shape(of kinds: [any Expectation.Type]) -> ObjectShape {
        ObjectShape(
            name: "expect", help: "What must come true; every entry is one test case.",
            fields: [Field("within", .duration(0.1...600), "The time it has; 10s.")] + kinds.map { $0.field },
            oneOf: kinds.map { $0.key })
    }

    /// Reads a step's `expect`.
    package init(_ value: YAMLValue, kinds: [any Expectation.Type], by reader: inout ExpectationReader) {
        var all: [any Expectation] = []
        for kind in kinds {
            guard let entry = value.entries.first(where: { $0.key == kind.key }) else { continue }
            all += kind.read(entry, by: &reader) as [any Expectation]
        }
        self.init(all, within: value["within"]?.text.flatMap(Units.seconds) ?? 10)
    }
}

// MARK: Coding

extension CodingUserInfoKey {
    /// The kinds that a decoder knows, an `[any Expectation.Type]`. If it is not set, these are the kinds of the
    /// catalogue.
    package static let expectationKinds = CodingUserInfoKey(rawValue: "expectationKinds")
}

extension Expectations {
    private enum Keys: String, CodingKey { case all, within }
    private enum ItemKeys: String, CodingKey { case kind, expected }

    public init(from decoder: any Decoder) throws {
        let given = CodingUserInfoKey.expectationKinds.flatMap { decoder.userInfo[$0] }
        let kinds = given as? [any Expectation.Type] ?? ExpectationCatalogue.kinds
        let container = try decoder.container(keyedBy: Keys.self)
        var items = try container.nestedUnkeyedContainer(forKey: .all)
        var all: [any Expectation] = []
        while !items.isAtEnd {
            let item = try items.nestedContainer(keyedBy: ItemKeys.self)
            let key = try item.decode(String.self, forKey: .kind)
            guard let kind = kinds.first(where: { $0.key == key }) else {
                throw DecodingError.dataCorruptedError(
                    forKey: .kind, in: item, debugDescription: "no expectation is called \(key)")
            }
            all.append(try item.decode(kind, forKey: .expected))
        }
        self.init(all, within: try container.decode(Double.self, forKey: .within))
    }

    public func encode(to encoder: any Encoder) throws {
        var container = encoder.container(keyedBy: Keys.self)
        try container.encode(within, forKey: .within)
        var items = container.nestedUnkeyedContainer(forKey: .all)
        for expectation in all {
            var item = items.nestedContainer(keyedBy: ItemKeys.self)
            try item.encode(type(of: expectation).key, forKey: .kind)
            try item.encode(expectation, forKey: .expected)
        }
    }
}
