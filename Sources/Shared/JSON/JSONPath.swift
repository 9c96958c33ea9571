/// A path to values inside of a JSON value, in the part of kubectl's JSONPath that selects values:
/// `{.status.conditions[?(@.type=="Ready")].status}`.
///
/// The braces and a first `$` may be left out. There are fields (`.spec`, `['a.b']`, `.a\.b`), every member (`.*`,
/// `[*]`), elements (`[0]`, `[-1]`), filters (`[?(@.port>80)]`, `[?(@.ready)]`), and members at any depth (`..name`).
/// Ranges, unions, `range` and text around the braces are not read.
///
/// Source: https://kubernetes.io/docs/reference/kubectl/jsonpath/
public struct JSONPath: Sendable, Hashable {
    /// The most characters of a path, the most steps of it, and the most values that it selects.
    public static let longestText = 1000
    public static let mostSteps = 64
    public static let mostValues = 10_000
    /// The most values that are looked at on the way.
    static let mostVisits = 500_000

    /// What is wrong with a text, and the column of the character where, from 1.
    public struct Mistake: Error, Sendable, Equatable {
        public let column: Int
        public let message: String
    }

    enum Step: Sendable, Hashable {
        case member(String)
        /// A member of this name, or every member for nil, of the value itself or of any value inside of it.
        case anywhere(String?)
        case every
        /// An element by its index; a negative one counts from the end.
        case element(Int)
        case filter(JSONPathFilter)
    }

    /// The path as it was written.
    public let text: String
    let steps: [Step]

    /// - Throws: The first mistake of the text.
    public init(_ text: String) throws(Mistake) {
        var parser = JSONPathParser(text)
        self.text = text
        steps = try parser.path()
    }

    init(text: String, steps: [Step]) {
        self.text = text
        self.steps = steps
    }

    /// Returns the values that the path leads to, in the order of the document; members of an object are in the order
    /// of their names. A field that is missing leads to nothing. There are at most `mostValues`.
    public func values(in root: JSONValue) -> [JSONValue] {
        var values = [root]
        var visits = 0
        for step in steps {
            var next: [JSONValue] = []
            for value in values where next.count < Self.mostValues { Self.take(step, value, into: &next, &visits) }
            values = Array(next.prefix(Self.mostValues))
            if values.isEmpty { break }
        }
        return values
    }

    /// Returns the values as kubectl prints them, with a space between two of them; nil if there is none.
    public func rendered(in root: JSONValue) -> String? {
        let values = values(in: root)
        return values.isEmpty ? nil : values.map(\.printed).joined(separator: " ")
    }

    private static func take(
        _ step: Step, _ value: JSONValue, into found: inout [JSONValue], _ visits: inout Int
    ) {
        switch step {
        case .member(let name): if let member = value[name] { found.append(member) }
        case .every: found += value.children
        case .element(let index):
            let elements = value.elements ?? []
            let place = index < 0 ? elements.count + index : index
            if elements.indices.contains(place) { found.append(elements[place]) }
        case .filter(let filter): found += (value.elements ?? []).filter { filter.holds(for: $0) }
        case .anywhere(let name):
            // Own stack: a document may be as deep as its parser lets it be.
            var open = [value]
            while let next = open.popLast(), found.count < mostValues, visits < mostVisits {
                visits += 1
                if let name { if let member = next[name] { found.append(member) } } else { found += next.children }
                open += next.children.reversed()
            }
        }
    }
}

/// The condition in `[?(…)]`: a value below the element that exists, or that compares with a constant.
struct JSONPathFilter: Sendable, Hashable {
    enum Comparison: String, Sendable, Hashable, CaseIterable {
        // Longer ones first: the parser takes the first that fits.
        case equal = "=="
        case notEqual = "!="
        case lessOrEqual = "<="
        case greaterOrEqual = ">="
        case less = "<"
        case greater = ">"
    }

    let path: JSONPath
    /// The comparison and the constant to its right; nil if the value only has to exist.
    let comparison: (Comparison, JSONConstant)?

    func holds(for element: JSONValue) -> Bool {
        let values = path.values(in: element)
        guard let (comparison, constant) = comparison else { return !values.isEmpty }
        return values.contains { value in
            switch comparison {
            case .equal: constant.order(of: value) == 0
            case .notEqual: constant.order(of: value) != 0
            case .less: constant.order(of: value).map { $0 < 0 } ?? false
            case .lessOrEqual: constant.order(of: value).map { $0 <= 0 } ?? false
            case .greater: constant.order(of: value).map { $0 > 0 } ?? false
            case .greaterOrEqual: constant.order(of: value).map { $0 >= 0 } ?? false
            }
        }
    }

    static func == (one: JSONPathFilter, other: JSONPathFilter) -> Bool {
        one.path == other.path && one.comparison?.0 == other.comparison?.0 && one.comparison?.1 == other.comparison?.1
    }

    func hash(into hasher: inout Hasher) {
        hasher.combine(path)
        hasher.combine(comparison?.0)
        hasher.combine(comparison?.1)
    }
}

/// A constant of a filter.
enum JSONConstant: Sendable, Hashable {
    case string(String)
    case number(Double)
    case bool(Bool)

    /// Returns a negative number if a value is before the constant, 0 if they are equal, and a positive one if it is
    /// after it; nil if they cannot be compared.
    func order(of value: JSONValue) -> Int? {
        switch (self, value) {
        case (.string(let constant), .string(let text)): text < constant ? -1 : text == constant ? 0 : 1
        case (.number(let constant), .integer(let number)): Self.order(Double(number), constant)
        case (.number(let constant), .number(let number)): Self.order(number, constant)
        case (.bool(let constant), .bool(let flag)): flag == constant ? 0 : nil
        default: nil
        }
    }

    private static func order(_ one: Double, _ other: Double) -> Int { one < other ? -1 : one == other ? 0 : 1 }
}

extension JSONValue {
    /// An array's elements, or an object's members in the order of their names.
    fileprivate var children: [JSONValue] {
        switch self {
        case .array(let elements): elements
        case .object(let members): members.sorted { $0.key < $1.key }.map(\.value)
        default: []
        }
    }

    /// The value as kubectl prints it: a text without quotes, objects and arrays as JSON.
    public var printed: String { text ?? canonicalText }
}
