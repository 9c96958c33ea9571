import NodeProtocol
import TestAPIServer

extension TestAPIServer {
    func configuration(images: String) throws -> KubeletConfiguration {
        let credentials = try credentials
        return KubeletConfiguration(
            nodeName: "node1", address: "10.0.0.11",
            server: KubeletConfiguration.Server(
                host: "127.0.0.1", port: port, authorityPEM: credentials.authorityPEM,
                certificatePEM: credentials.clientChainPEM, keyPEM: credentials.clientKeyPEM), images: images)
    }
}
