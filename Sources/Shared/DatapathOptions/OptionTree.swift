/// Options as a tree of JSON, which is the form between values by name and `DatapathOptions`.
public enum OptionTree: Codable, Sendable, Hashable {
    case flag(Bool)
    case number(Int)
    case text(String)
    case list([String])
    case map([String: OptionTree])

    public init(from decoder: any Decoder) throws {
        let value = try decoder.singleValueContainer()
        if let flag = try? value.decode(Bool.self) {
            self = .flag(flag)
        } else if let number = try? value.decode(Int.self) {
            self = .number(number)
        } else if let text = try? value.decode(String.self) {
            self = .text(text)
        } else if let list = try? value.decode([String].self) {
            self = .list(list)
        } else {
            self = .map(try value.decode([String: OptionTree].self))
        }
    }

    public func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        switch self {
        case .flag(let flag): try container.encode(flag)
        case .number(let number): try container.encode(number)
        case .text(let text): try container.encode(text)
        case .list(let list): try container.encode(list)
        case .map(let map): try container.encode(map)
        }
    }

    /// The value at a dotted path, or nil if there is none.
    public subscript(path: some Collection<Substring>) -> OptionTree? {
        get {
            guard let first = path.first else { return self }
            guard case .map(let map) = self else { return nil }
            return map[String(first)]?[path.dropFirst()]
        }
        set {
            guard let first = path.first else {
                if let newValue { self = newValue }
                return
            }
            guard case .map(var map) = self else { return }
            let rest = path.dropFirst()
            if rest.isEmpty {
                map[String(first)] = newValue
            } else if newValue != nil || map[String(first)] != nil {
                map[String(first), default: .map([:])][rest] = newValue
            }
            self = .map(map)
        }
    }

    /// All values, by their dotted paths.
    public var leaves: [String: OptionTree] {
        guard case .map(let map) = self else { return ["": self] }
        return map.reduce(into: [:]) { result, entry in
            for (path, leaf) in entry.value.leaves {
                result[path.isEmpty ? entry.key : entry.key + "." + path] = leaf
            }
        }
    }
}
