/// What a container runtime says about a pod in `CNI_ARGS` (CNI specification 1.0.0, section 2, `CNI_ARGS`: `KEY=VALUE`
/// pairs separated by semicolons).
///
/// Known keys: `K8S_POD_NAMESPACE`, `K8S_POD_NAME`, and `LABRUN_LABELS`, the pod's labels as `key=value,key=value`
/// where every key and value is percent-encoded (everything but letters, digits, `-`, `.`, `_`, `~` and `/`). Other
/// keys are ignored, as `IgnoreUnknown=1` asks for.
public struct CNIArguments: Sendable, Equatable {
    public var namespace: String
    public var name: String
    public var labels: [String: String]

    public init(namespace: String, name: String, labels: [String: String]) {
        self.namespace = namespace
        self.name = name
        self.labels = labels
    }

    /// Reads a `CNI_ARGS` value. An absent key leaves its field empty.
    ///
    /// - Throws: `AgentError` with the code `invalid-arguments` for a pair without `=`, a key that comes twice, or a
    ///   broken percent escape.
    public init(parsing text: String) throws(AgentError) {
        var values: [String: String] = [:]
        for pair in text.split(separator: ";") {
            guard let (key, value) = Self.pair(pair) else {
                throw AgentError(code: "invalid-arguments", message: "CNI_ARGS: no value in \"\(pair)\"")
            }
            guard values.updateValue(value, forKey: key) == nil else {
                throw AgentError(code: "invalid-arguments", message: "CNI_ARGS: \(key) is given twice")
            }
        }
        namespace = values["K8S_POD_NAMESPACE"] ?? ""
        name = values["K8S_POD_NAME"] ?? ""
        labels = try Self.labels(values["LABRUN_LABELS"] ?? "")
    }

    /// The value of `CNI_ARGS`, with the labels in the order of their keys.
    public var text: String {
        var parts = ["IgnoreUnknown=1", "K8S_POD_NAMESPACE=\(namespace)", "K8S_POD_NAME=\(name)"]
        if !labels.isEmpty {
            let encoded = labels.sorted { $0.key < $1.key }
                .map { "\(Self.percentEncoded($0.key))=\(Self.percentEncoded($0.value))" }
            parts.append("LABRUN_LABELS=" + encoded.joined(separator: ","))
        }
        return parts.joined(separator: ";")
    }

    private static func labels(_ text: String) throws(AgentError) -> [String: String] {
        var labels: [String: String] = [:]
        for item in text.split(separator: ",") {
            guard let (key, value) = pair(item), let name = percentDecoded(key), let content = percentDecoded(value),
                !name.isEmpty
            else { throw AgentError(code: "invalid-arguments", message: "LABRUN_LABELS: not key=value: \"\(item)\"") }
            guard labels.updateValue(content, forKey: name) == nil else {
                throw AgentError(code: "invalid-arguments", message: "LABRUN_LABELS: \(name) is given twice")
            }
        }
        return labels
    }

    private static func pair(_ text: Substring) -> (key: String, value: String)? {
        guard let equals = text.firstIndex(of: "=") else { return nil }
        return (String(text[..<equals]), String(text[text.index(after: equals)...]))
    }

    static func percentEncoded(_ text: String) -> String {
        var encoded = ""
        for byte in text.utf8 {
            switch byte {
            case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
                UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "-")...UInt8(ascii: "/"), UInt8(ascii: "_"),
                UInt8(ascii: "~"):
                encoded.unicodeScalars.append(Unicode.Scalar(byte))
            default:
                let digits = String(byte, radix: 16, uppercase: true)
                encoded += digits.utf8.count == 1 ? "%0\(digits)" : "%\(digits)"
            }
        }
        return encoded
    }

    /// Decodes percent escapes. The result is nil if two hexadecimal digits do not follow a `%`, or if the bytes are no
    /// UTF-8.
    static func percentDecoded(_ text: String) -> String? {
        var bytes: [UInt8] = []
        var rest = text.utf8[...]
        while let byte = rest.popFirst() {
            guard byte == UInt8(ascii: "%") else {
                bytes.append(byte)
                continue
            }
            guard let high = rest.popFirst().flatMap(hexadecimal), let low = rest.popFirst().flatMap(hexadecimal)
            else { return nil }
            bytes.append(high << 4 | low)
        }
        return String(validating: bytes, as: UTF8.self)
    }

    private static func hexadecimal(_ digit: UInt8) -> UInt8? {
        Character(Unicode.Scalar(digit)).hexDigitValue.map { UInt8($0) }
    }
}
