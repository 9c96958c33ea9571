import Foundation
import Readings
import Testing

@testable import Matrix

@Suite struct SourceTests {
    static let pod = Endpoint(
        id: "default/a", kind: .pod, node: "node1", namespace: "default", address: "192.168.1.2", port: 8080,
        labels: [:])
    static let senders = SenderAddresses(node: ["10.0.0.11", "10.0.1.11"], public: ["198.51.100.11"])

    private func host(_ kind: EndpointKind) -> Endpoint {
        Endpoint(id: "x", kind: kind, node: nil, namespace: nil, address: "1.1.1.1", port: 7, labels: [:])
    }

    @Test(arguments: ["pod", "node", "10.0.0.11"])
    func `a source is read and written alike`(_ text: String) throws {
        let source = try #require(SourceExpectation(text))
        #expect(source.text == text)
        let data = try JSONEncoder().encode([source])
        #expect(try JSONDecoder().decode([SourceExpectation].self, from: data) == [source])
    }

    @Test(arguments: ["", "nodes", "10.0.0", "10.0.0.256", "10.0.0.01", "10.0.0.1.2", "10.0.0.+1", "10.0.0.1/32"])
    func `what is no source is refused`(_ text: String) {
        #expect(SourceExpectation(text) == nil)
    }

    @Test func `a node is seen by all its addresses in the VPC and by its public one beyond`() {
        #expect(
            SourceExpectation.node.addresses(from: Self.pod, to: host(.vpcDNS), addresses: Self.senders)
                == ["10.0.0.11", "10.0.1.11"])
        #expect(
            SourceExpectation.node.addresses(from: Self.pod, to: host(.internet), addresses: Self.senders)
                == ["198.51.100.11"])
        #expect(
            SourceExpectation.pod.addresses(from: Self.pod, to: host(.vpcHost), addresses: Self.senders)
                == ["192.168.1.2"])
    }
}
