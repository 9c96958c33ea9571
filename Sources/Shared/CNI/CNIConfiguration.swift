import JSON

#if canImport(FoundationEssentials)
    import FoundationEssentials
#else
    import Foundation
#endif

/// The versions of the CNI specification that the plugin supports.
public enum CNIVersion: String, Sendable, CaseIterable {
    case v0_4_0 = "0.4.0"
    case v1_0_0 = "1.0.0"
}

/// The network configuration that a runtime writes to the plugin's standard input (CNI specification, section 2).
public struct CNIConfiguration: Sendable {
    public let version: CNIVersion
    /// The name of the network, `labrun`.
    public let name: String
    /// The path of the agent's unix socket.
    public let socketPath: String?
    /// The result of the previous plugin or, for CHECK and DEL, of ADD.
    public let previousResult: CNIResult?
    /// The whole document, for members that only one plugin reads.
    public let document: JSONValue

    /// Reads a configuration.
    ///
    /// - Throws: `CNIError` with code 6 if it is no such JSON object, 1 for a version that is not supported, 7 if a
    ///   field has a forbidden value.
    public init(parsing text: String) throws(CNIError) {
        let wire: Wire
        do {
            document = try JSONDecoder().decode(JSONValue.self, from: Data(text.utf8))
            wire = try JSONDecoder().decode(Wire.self, from: Data(text.utf8))
        } catch {
            throw CNIError(.decodingFailure, "the network configuration cannot be decoded", details: "\(error)")
        }
        guard let version = CNIVersion(rawValue: wire.cniVersion ?? "0.1.0") else {
            throw CNIError(
                .incompatibleVersion, "CNI version \(wire.cniVersion ?? "0.1.0") is not supported",
                details: "supported: " + CNIVersion.allCases.map(\.rawValue).joined(separator: ", "))
        }
        guard let name = wire.name, CNIEnvironment.isIdentifier(name) else {
            throw CNIError(
                .invalidConfiguration, "the network's name is missing or malformed", details: wire.name ?? "")
        }
        self.version = version
        self.name = name
        socketPath = wire.socket
        previousResult = wire.prevResult
    }

    private struct Wire: Decodable {
        var cniVersion: String?
        var name: String?
        var socket: String?
        var prevResult: CNIResult?
    }

    /// Returns the `cniVersion` of a configuration that may otherwise be broken. An error is reported in this version.
    public static func versionText(of text: String) -> String {
        struct Version: Decodable { var cniVersion: String? }
        let version = try? JSONDecoder().decode(Version.self, from: Data(text.utf8)).cniVersion
        return version.flatMap { CNIVersion(rawValue: $0) }?.rawValue ?? CNIVersion.v1_0_0.rawValue
    }
}

/// The runtime's environment variables, checked as the specification asks (section 2, Parameters).
public struct CNIEnvironment: Sendable, Equatable {
    public enum Command: String, Sendable { case add = "ADD", del = "DEL", check = "CHECK", version = "VERSION" }

    public let command: Command
    public let containerID: String
    public let netns: String
    public let interface: String
    public let arguments: String

    /// - Throws: `CNIError` with code 4 (invalid environment) that names the variable.
    public init(
        command: String, containerID: String, netns: String, interface: String, arguments: String
    ) throws(CNIError) {
        guard let known = Command(rawValue: command) else {
            throw CNIError(.invalidEnvironment, "CNI_COMMAND is missing or unknown", details: command)
        }
        self.command = known
        self.containerID = containerID
        self.netns = netns
        self.interface = interface
        self.arguments = arguments
        if known == .version { return }
        guard Self.isIdentifier(containerID), containerID.utf8.count <= 256 else {
            throw CNIError(.invalidEnvironment, "CNI_CONTAINERID is missing or malformed", details: containerID)
        }
        guard Self.isInterfaceName(interface) else {
            throw CNIError(.invalidEnvironment, "CNI_IFNAME is missing or malformed", details: interface)
        }
        guard !netns.isEmpty || known == .del else {
            throw CNIError(.invalidEnvironment, "CNI_NETNS is missing")
        }
    }

    /// Says whether the text starts with a letter or digit, and continues with letters, digits, `_`, `.` or `-`.
    public static func isIdentifier(_ text: String) -> Bool {
        guard let first = text.utf8.first, isAlphanumeric(first) else { return false }
        return text.utf8.allSatisfy {
            isAlphanumeric($0) || $0 == UInt8(ascii: "_") || $0 == UInt8(ascii: ".") || $0 == UInt8(ascii: "-")
        }
    }

    private static func isAlphanumeric(_ byte: UInt8) -> Bool {
        (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte) || (UInt8(ascii: "a")...UInt8(ascii: "z")).contains(byte)
            || (UInt8(ascii: "A")...UInt8(ascii: "Z")).contains(byte)
    }

    /// Whether the text is an interface's name by the kernel's `dev_valid_name`: it has at most 15 octets, no `/`, `:`
    /// or white space, and is not `.` or `..`.
    public static func isInterfaceName(_ text: String) -> Bool {
        (1...15).contains(text.utf8.count) && text != "." && text != ".."
            && text.utf8.allSatisfy { $0 > 0x20 && $0 < 0x7F && $0 != UInt8(ascii: "/") && $0 != UInt8(ascii: ":") }
    }
}
