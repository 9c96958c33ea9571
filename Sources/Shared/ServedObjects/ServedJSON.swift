import JSON
public import KubeObjects

#if canImport(FoundationEssentials)
    import FoundationEssentials
#else
    import Foundation
#endif

/// JSON of an API server.
public enum ServedJSON {
    /// Reads an object: fast, or in every way that `Codable` allows.
    ///
    /// - Throws: `DecodingError`.
    public static func object<Object: KubeObject>(
        _ octets: [UInt8], as type: Object.Type = Object.self
    ) throws -> Object {
        let fast = try? JSONReader.read(octets) { reader throws(UnreadableValue) in try Object.read(&reader) }
        return try fast ?? JSONDecoder().decode(Object.self, from: Data(octets))
    }

    /// Reads a slice. Before `discovery.k8s.io/v1` an endpoint's node is in its topology.
    public static func slice(_ octets: [UInt8]) throws -> EndpointSlice {
        var slice: EndpointSlice = try object(octets)
        guard slice.endpoints.contains(where: { $0.nodeName == nil }) else { return slice }
        let written = try JSONText.value(of: octets)["endpoints"]?.elements ?? []
        for (index, endpoint) in zip(slice.endpoints.indices, written) where slice.endpoints[index].nodeName == nil {
            slice.endpoints[index].nodeName = endpoint["topology"]?["kubernetes.io/hostname"]?.text
        }
        return slice
    }
}
