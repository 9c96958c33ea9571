@testable import ControlPlane
import CLibcrypto
import Foundation
import KubeClient
import Testing

@Suite struct CredentialTests {
    static func spec(_ change: (inout ControlPlaneSpec) -> Void = { _ in }) -> ControlPlaneSpec {
        var spec = ControlPlaneSpec(
            programs: ControlPlanePrograms(directory: "/bin", version: .oldest), address: "10.0.0.10",
            folder: NSTemporaryDirectory() + "credentials-\(UUID().uuidString)", artifacts: "/artifacts")
        change(&spec)
        return spec
    }

    @Test func everyFileIsThereForItsOwnerAlone() throws {
        var spec = Self.spec()
        for server in ControlPlaneServer.allCases where server.isOwn { spec.ownSettings[server] = "{}" }
        let files = ControlPlaneFiles(folder: spec.folder, artifacts: spec.artifacts)
        try FileManager.default.createDirectory(atPath: spec.folder + "/pki", withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(atPath: spec.folder) }
        try ClusterCredentials(spec).write(to: files)
        let arguments = ControlPlaneServer.allCases.flatMap {
            ServerArguments(spec: spec, files: files, version: .oldest).of($0)
        }
        // Whatever a command line names is written, less what is made at the start.
        let named = Set(arguments.compactMap { $0.split(separator: "=", maxSplits: 1).last.map(String.init) })
        for path in named where path.hasPrefix(spec.folder) && path != files.etcdData && path != files.auditPolicy {
            let mode = try #require(
                try FileManager.default.attributesOfItem(atPath: path)[.posixPermissions] as? Int)
            #expect(mode == 0o600, "\(path)")
        }
    }

    @Test func kubeconfigsNameTheirUser() throws {
        let credentials = try ClusterCredentials(Self.spec { $0.clusterName = "lab \"one\"" })
        for user in [ControlPlaneUser.admin, .scheduler, .node("node1")] {
            let server = user == .admin ? credentials.admin : try credentials.server(for: user)
            let text = try Kubeconfig(server, user: user.name, cluster: "lab \"one\"").text
            #expect(text.contains("server: https://10.0.0.10:6443\n"))
            #expect(text.contains("- name: \"\(user.name)\"\n"))
            #expect(text.contains("current-context: \"lab \\\"one\\\"\"\n"))
            guard case .certificate(let chain, let key) = server.credential else { return #expect(Bool(false)) }
            for (field, pem) in [
                ("client-certificate-data", chain), ("client-key-data", key),
                ("certificate-authority-data", server.authorityPEM),
            ] { #expect(text.contains("\(field): \(Data(pem.utf8).base64EncodedString())\n"), "\(field)") }
        }
    }

    @Test func tokensAndFilesAreCredentialsToo() throws {
        var server = try ClusterCredentials(Self.spec()).admin
        server.credential = .token("a\"b")
        #expect(try Kubeconfig(server, user: "u", cluster: "c").text.contains("token: \"a\\\"b\"\n"))
        server.credential = .tokenFile("/run/token")
        #expect(try Kubeconfig(server, user: "u", cluster: "c").text.contains("tokenFile: \"/run/token\"\n"))
        server.credential = .none
        #expect(throws: ControlPlaneError.self) { try Kubeconfig(server, user: "u", cluster: "c") }
    }

    @Test(arguments: [
        ("10.0.0.10", "10.96.0.0"), ("10.0.0.10", "10.96.0.1/16"), ("10.0.0.10", "10.96.0.0/32"),
        ("127.0.0.1", "10.96.0.0/16"),
        ("host", "10.96.0.0/16"), ("", ""),
    ])
    func aSpecificationThatCannotBeIsRefused(_ address: String, _ services: String) {
        #expect(throws: ControlPlaneError.self) {
            try ClusterCredentials(
                Self.spec {
                    $0.address = address
                    $0.serviceCIDR = services
                })
        }
    }

    @Test func theServersCertificateIsForWhateverItIsCalled() throws {
        let issued = try ClusterCredentials(Self.spec { $0.names = ["api.lab.internal"] }).apiServer()
        let bytes = Array(issued.certificatePEM.utf8)
        let memory = try #require(BIO_new_mem_buf(bytes, Int32(bytes.count)))
        defer { BIO_free(memory) }
        let certificate = try #require(PEM_read_bio_X509(memory, nil, nil, nil))
        defer { X509_free(certificate) }
        for name in [
            "kubernetes", "kubernetes.default", "kubernetes.default.svc", "kubernetes.default.svc.cluster.local",
            "localhost", "api.lab.internal",
        ] { #expect(X509_check_host(certificate, name, 0, 0, nil) == 1, "\(name)") }
        for address in ["10.0.0.10", "10.96.0.1", "127.0.0.1"] {
            #expect(X509_check_ip_asc(certificate, address, 0) == 1, "\(address)")
        }
        #expect(X509_check_host(certificate, "other.lab.internal", 0, 0, nil) == 0)
    }

    @Test func nodesNeedAnAddress() throws {
        let credentials = try ClusterCredentials(Self.spec())
        #expect(throws: ControlPlaneError.self) { try credentials.node(ControlPlaneNode(name: "a", address: "b")) }
        let made = try credentials.node(ControlPlaneNode(name: "node1", address: "10.0.0.11"))
        #expect(made.clientAuthorityPEM == credentials.admin.authorityPEM)
        #expect(made.server.port == 6443)
    }
}

@Suite struct ProgramTests {
    @Test func missingProgramsAreNamed() throws {
        let folder = NSTemporaryDirectory() + "programs-\(UUID().uuidString)"
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(atPath: folder) }
        func put(_ name: String, _ text: String) throws {
            try Data(text.utf8).write(to: URL(filePath: "\(folder)/\(name)"))
            chmod("\(folder)/\(name)", 0o755)
        }
        func problem() -> String {
            do {
                return "\(try ControlPlanePrograms(directory: folder).version)"
            } catch { return "\(error)" }
        }
        try put("etcd", "")
        #expect(problem().contains("lacks kube-apiserver, kube-controller-manager, kube-scheduler"))
        for name in ["kube-controller-manager", "kube-scheduler"] { try put(name, "") }
        try put("kube-apiserver", "#!/bin/sh\necho Kubernetes v1.31.4\n")
        #expect(problem() == "v1.31.4")
        try put("kube-apiserver", "#!/bin/sh\necho Kubernetes v1.19.0\n")
        #expect(problem().contains("v1.20 or newer"))
        try put("kube-apiserver", "#!/bin/sh\necho hello; exit 3\n")
        #expect(problem().contains("says no version (exit code 3): hello"))
        try put("kube-apiserver", "no program")
        #expect(problem().contains("could not be run"))
    }

    @Test func aFolderThatIsNoneIsTold() {
        #expect(throws: ControlPlaneError.self) { try ControlPlanePrograms(directory: "/nowhere/at/all") }
    }
}
