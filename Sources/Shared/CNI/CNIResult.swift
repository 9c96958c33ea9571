#if canImport(FoundationEssentials)
    import FoundationEssentials
#else
    import Foundation
#endif

/// The result of a successful ADD (CNI specification 1.0.0, section 5; version 0.4.0 adds `version` to each of `ips`).
public struct CNIResult: Codable, Sendable, Equatable {
    public struct Interface: Codable, Sendable, Equatable {
        public var name: String
        public var mac: String?
        /// The path of the network namespace; absent for an interface on the host.
        public var sandbox: String?
        public init(name: String, mac: String? = nil, sandbox: String? = nil) {
            self.name = name
            self.mac = mac
            self.sandbox = sandbox
        }
    }
    public struct Address: Codable, Sendable, Equatable {
        /// `4`, only in version 0.4.0.
        public var version: String?
        /// The address with its prefix length.
        public var address: String
        public var gateway: String?
        /// The index in `interfaces`.
        public var interface: Int?
        public init(version: String? = nil, address: String, gateway: String? = nil, interface: Int? = nil) {
            self.version = version
            self.address = address
            self.gateway = gateway
            self.interface = interface
        }
    }
    public struct Route: Codable, Sendable, Equatable {
        public var dst: String
        public var gw: String?
        public init(dst: String, gw: String? = nil) {
            self.dst = dst
            self.gw = gw
        }
    }
    public struct DNS: Codable, Sendable, Equatable {
        public var nameservers: [String]?
        public var domain: String?
        public var search: [String]?
        public var options: [String]?
        public init() {}
    }

    public var cniVersion: String?
    public var interfaces: [Interface]?
    public var ips: [Address]?
    public var routes: [Route]?
    public var dns: DNS?

    public init(
        cniVersion: String?, interfaces: [Interface]?, ips: [Address]?, routes: [Route]?, dns: DNS? = DNS()
    ) {
        self.cniVersion = cniVersion
        self.interfaces = interfaces
        self.ips = ips
        self.routes = routes
        self.dns = dns
    }

    public var json: String { CNIText.encode(self) }
}

/// The failure of a command (CNI specification, section 5, Error).
public struct CNIError: Error, Sendable, Equatable, CustomStringConvertible {
    public struct Code: Sendable, Equatable {
        public let rawValue: Int
        public static let incompatibleVersion = Code(rawValue: 1)
        public static let unknownContainer = Code(rawValue: 3)
        public static let invalidEnvironment = Code(rawValue: 4)
        public static let inputOutput = Code(rawValue: 5)
        public static let decodingFailure = Code(rawValue: 6)
        public static let invalidConfiguration = Code(rawValue: 7)
        public static let tryAgainLater = Code(rawValue: 11)
        // Codes from 100 on are the plugin's own.
        public static let addressesExhausted = Code(rawValue: 100)
        public static let identityCollision = Code(rawValue: 101)
        public static let setupFailed = Code(rawValue: 102)
        public static let checkFailed = Code(rawValue: 103)
        public static let conflictingContainer = Code(rawValue: 104)
    }

    public let code: Code
    public let message: String
    public let details: String

    public init(_ code: Code, _ message: String, details: String = "") {
        self.code = code
        self.message = message
        self.details = details
    }

    public var description: String { details.isEmpty ? message : "\(message): \(details)" }

    /// The object that the plugin prints.
    public func json(version: String) -> String {
        CNIText.encode(Wire(cniVersion: version, code: code.rawValue, msg: message, details: details))
    }

    private struct Wire: Encodable {
        let cniVersion: String
        let code: Int
        let msg: String
        let details: String
    }
}

/// The answer to VERSION.
public struct CNIVersionResult: Encodable {
    public init() {}
    var cniVersion = CNIVersion.v1_0_0.rawValue
    var supportedVersions = CNIVersion.allCases.map(\.rawValue)
}

public enum CNIText {
    /// Returns one line of JSON with sorted keys, so that equal results give equal text.
    public static func encode(_ value: some Encodable) -> String {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        guard let data = try? encoder.encode(value) else { return "{}" }
        return String(decoding: data, as: UTF8.self)
    }
}
