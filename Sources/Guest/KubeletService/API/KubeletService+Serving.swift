import KubeletServer

extension KubeletService {
    /// Serves the kubelet's HTTPS API until the task is cancelled.
    func serve() async {
        guard let serving = configuration.serving else { return }
        var settings = KubeletServer.Settings(
            certificateChainPEM: serving.certificatePEM, keyPEM: serving.keyPEM,
            clientAuthorityPEM: serving.clientAuthorityPEM)
        settings.port = serving.port
        var server: KubeletServer?
        while server == nil {
            do {
                server = try await KubeletServer(settings, ServiceBackend(service: self))
            } catch {
                note("the kubelet's API at port \(serving.port): \(error)")
                guard (try? await Task.sleep(for: .seconds(5))) != nil else { return }
            }
        }
        // It ends with its task.
        while (try? await Task.sleep(for: .seconds(3600))) != nil {}
        await server?.stop()
    }
}
