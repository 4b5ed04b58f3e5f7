# Written by `deploy init`. The pipeline uses these targets and nothing else; your own Makefile may `include deploy.mk`.

SERVICE := SERVICE_FOLDER
DEPLOY ?= deploy
# The commit that is promoted: where another one runs by now, promoting is refused. Empty: whatever runs there.
SHA ?=
# The build report of deploy-push. Empty: deploy-dev builds by itself. A variable of the job with this name is not meant.
IMAGE :=

.PHONY: deploy-install deploy-lint deploy-unit deploy-build deploy-push deploy-dev deploy-test deploy-prod

deploy-install: ## the program `deploy`: DEPLOY_PACKAGE is whatever pip can install it from
	pip install --quiet --disable-pip-version-check "$${DEPLOY_PACKAGE:?is not set: what does pip install deploy from?}"

deploy-lint: ## format and vet
	@cd $(SERVICE) && found=$$(gofmt -l $$(go list -f '{{range .GoFiles}}{{$$.Dir}}/{{.}} {{end}}{{range .TestGoFiles}}{{$$.Dir}}/{{.}} {{end}}' ./...)) && \
		if [ -n "$$found" ]; then echo "gofmt would change:"; echo "$$found"; exit 1; fi
	cd $(SERVICE) && go vet ./...

deploy-unit: ## the service's tests
	cd $(SERVICE) && go test ./...

deploy-build: ## does it compile? The image is built once, by deploy-push
	cd $(SERVICE) && go build -o /dev/null ./...

deploy-push: ## build and push the image; its report goes to the file IMAGE
	$(DEPLOY) build --env dev $(if $(IMAGE),--out $(IMAGE))

deploy-dev: ## release to dev: exactly the image of the report IMAGE, without one build and push first
	$(DEPLOY) up --env dev $(if $(IMAGE),--image $(IMAGE))

deploy-test: ## what is healthy in dev to test: the same digest
	$(DEPLOY) promote --from dev --to test --yes $(if $(SHA),--sha $(SHA))

deploy-prod: ## what is healthy in test to prod: the same digest
	$(DEPLOY) promote --from test --to prod --yes $(if $(SHA),--sha $(SHA))
