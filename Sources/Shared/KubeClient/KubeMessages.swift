public import JSON

#if canImport(FoundationEssentials)
    import FoundationEssentials
#else
    import Foundation
#endif

/// One HTTP request to an API server. The client adds `Host`, `Authorization`, `User-Agent` and the length.
public struct KubeRequest: Sendable {
    /// The HTTP method: `GET`, `POST`, `PUT`, `PATCH`, `DELETE`.
    public var method: String
    /// The path, percent-encoded, without a query.
    public var path: String
    /// Names and values of the query, not encoded.
    public var query: [(String, String)]
    public var body: [UInt8]
    /// The media type of the body.
    public var contentType: String?
    /// The media types of answers; JSON if nil.
    public var accept: String?

    public init(
        method: String = "GET", path: String, query: [(String, String)] = [], body: [UInt8] = [],
        contentType: String? = nil, accept: String? = nil
    ) {
        self.method = method
        self.path = path
        self.query = query
        self.body = body
        self.contentType = contentType
        self.accept = accept
    }
}

/// A whole answer, whatever its status.
public struct KubeResponse: Sendable {
    public var status: Int
    /// Fields of the head in their order. Names are spelt as the server spelt them.
    public var headers: [(name: String, value: String)]
    public var body: [UInt8]

    public init(status: Int, headers: [(name: String, value: String)] = [], body: [UInt8] = []) {
        self.status = status
        self.headers = headers
        self.body = body
    }

    /// The first field of a name, in any case.
    public func header(_ name: String) -> String? {
        headers.first { $0.name.lowercased() == name.lowercased() }?.value
    }
}

/// JSON text of an object: what is sent to the server, or what it has answered.
public struct KubeBody: Sendable, Hashable {
    public var octets: [UInt8]

    /// Text that is JSON already.
    public init(octets: [UInt8]) { self.octets = octets }

    public init(_ value: JSONValue) { octets = JSONText.octets(of: value) }

    /// - Throws: `EncodingError`.
    public init(encoding value: some Encodable) throws {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.withoutEscapingSlashes]
        octets = Array(try encoder.encode(value))
    }

    /// The object as a type.
    ///
    /// - Throws: `KubeClientError.malformed`.
    public func decoded<Value: Decodable>(as type: Value.Type = Value.self) throws -> Value {
        try KubeCoding.decode(octets, as: type)
    }

    /// The object as a value of any shape.
    ///
    /// - Throws: `KubeClientError.malformed`.
    public func json() throws -> JSONValue { try KubeCoding.decode(octets, as: JSONValue.self) }
}
