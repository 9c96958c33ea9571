/// A version of Kubernetes' servers, as far as flags differ by it.
public struct KubernetesVersion: Sendable, Hashable, Codable, Comparable, CustomStringConvertible {
    public let major: Int
    public let minor: Int
    /// What comes after the minor version: `.2`, `.4-dispatcher`.
    public let rest: String

    public init(major: Int, minor: Int, rest: String = "") {
        self.major = major
        self.minor = minor
        self.rest = rest
    }

    /// Reads what `kube-apiserver --version` prints: `Kubernetes v1.20.2`, or the version alone. Nil if it is neither.
    public init?(_ text: String) {
        guard let line = text.split(whereSeparator: \.isNewline).first, line.utf8.count < 200,
            let word = line.split(separator: " ").last, word.first == "v"
        else { return nil }
        let parts = word.dropFirst().split(separator: ".", maxSplits: 2, omittingEmptySubsequences: false)
        guard parts.count >= 2, let major = Self.number(parts[0]), let minor = Self.number(parts[1]) else { return nil }
        self.init(major: major, minor: minor, rest: parts.count > 2 ? "." + String(parts[2]) : "")
    }

    private static func number(_ text: Substring) -> Int? {
        guard !text.isEmpty, text.utf8.count <= 4, text.utf8.allSatisfy({ (48...57).contains($0) }) else { return nil }
        return Int(text)
    }

    /// The oldest version whose servers are started.
    public static let oldest = KubernetesVersion(major: 1, minor: 20)

    public static func < (left: KubernetesVersion, right: KubernetesVersion) -> Bool {
        (left.major, left.minor) < (right.major, right.minor)
    }

    func isBefore(minor: Int) -> Bool { self < KubernetesVersion(major: 1, minor: minor) }

    public var description: String { "v\(major).\(minor)\(rest)" }
}
