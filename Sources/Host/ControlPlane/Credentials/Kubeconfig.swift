import Foundation
import KubeClient

/// A kubeconfig file with one cluster, one user and one context, as kubectl and the servers read it.
struct Kubeconfig {
    /// YAML. It has the user's key in it: a secret.
    let text: String

    /// - Throws: `ControlPlaneError` if the credential is not one that fits into a file.
    init(_ server: KubeServer, user: String, cluster: String, namespace: String = "default") throws {
        func base64(_ text: String) -> String { Data(text.utf8).base64EncodedString() }
        func quoted(_ text: String) -> String {
            "\"" + text.replacing("\\", with: "\\\\").replacing("\"", with: "\\\"") + "\""
        }
        let credential: [String]
        switch server.credential {
        case .certificate(let chain, let key):
            credential = ["client-certificate-data: \(base64(chain))", "client-key-data: \(base64(key))"]
        case .token(let token): credential = ["token: \(quoted(token))"]
        case .tokenFile(let path): credential = ["tokenFile: \(quoted(path))"]
        case .none: throw ControlPlaneError(.credentials, "a kubeconfig of \(user) needs a credential")
        }
        let lines =
            [
                "apiVersion: v1", "kind: Config", "clusters:", "- name: \(quoted(cluster))", "  cluster:",
                "    server: https://\(server.host):\(server.port)",
                "    certificate-authority-data: \(base64(server.authorityPEM))", "users:", "- name: \(quoted(user))",
                "  user:",
            ] + credential.map { "    " + $0 } + [
                "contexts:", "- name: \(quoted(cluster))", "  context:", "    cluster: \(quoted(cluster))",
                "    user: \(quoted(user))", "    namespace: \(quoted(namespace))",
                "current-context: \(quoted(cluster))",
            ]
        text = lines.joined(separator: "\n") + "\n"
    }
}
