plugins {
    alias(libs.plugins.android.library)
    alias(libs.plugins.kotlin.android)
}

android {
    namespace = "dk.godkend"
    compileSdk = 35

    defaultConfig {
        minSdk = 26
        consumerProguardFiles("consumer-rules.pro")
    }

    sourceSets["main"].kotlin.srcDir("../../bindings/kotlin")
    // The native library of each ABI, built with the NDK; see bindings/README.md.
    sourceSets["main"].jniLibs.srcDir(layout.buildDirectory.dir("jniLibs"))

    compileOptions {
        sourceCompatibility = JavaVersion.VERSION_17
        targetCompatibility = JavaVersion.VERSION_17
    }
}

kotlin {
    compilerOptions.jvmTarget.set(org.jetbrains.kotlin.gradle.dsl.JvmTarget.JVM_17)
}

dependencies {
    api(libs.coroutines.android)
    // The AAR carries JNA's own library of each ABI, aligned to 16 KB.
    implementation(variantOf(libs.jna) { artifactType("aar") })
}
